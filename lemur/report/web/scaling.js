// How a cost grows with a size, and in which part: what the figures of benches say.
"use strict";

// A part of a step by its key in the lines, such as "rank_ms".
const part_index = (key) => kParts.findIndex(([name]) => `${name}_ms` === key);
const part_name = (key) => kParts[part_index(key)]?.[1] ?? key.replace(/_ms$/, "");
const part_colour = (key) => `--part-${Math.max(part_index(key), 0)}`;

// Microseconds with a unit that suits them.
const time_text = (us) =>
    (!is_number(us) ? "–" :
         us === 0   ? "0" :
         us >= 1000 ? `${short(us / 1000)}\u00a0ms` :
         us < 1 ? `${short(1000 * us)}\u00a0ns` :
                  `${short(us)}\u00a0µs`);

// Finds what grows: [{file, title, x_label, per, points: [{x, us, low, high, parts, line}]}] with
// points by ascending size.
function growths() {
  const found = new Map();
  for (const line of report.bench) {
    const at = size_of(line);
    if (at === null || !is_number(line.median_ms)) continue;
    const key = JSON.stringify([line.file, at.title, at.x_label]);
    if (!found.has(key))
      found.set(
          key, {file: line.file, title: at.title, x_label: at.x_label, per: at.per, points: []});
    const scale = 1000 / at.items;
    const parts = Object.fromEntries(Object.entries(line.parts ?? {})
                                         .filter(([, ms]) => is_number(ms))
                                         .map(([name, ms]) => [name, 1000 * ms]));
    const {points} = found.get(key);
    const same = points.findIndex(({x}) => x === at.x);  // measured again: the last counts
    points.splice(same < 0 ? points.length : same, 1, {
      x: at.x,
      us: line.median_ms * scale,
      low: line.low_ms * scale,
      high: line.high_ms * scale,
      parts,
      line
    });
  }
  const many = [...found.values()].filter(({points}) => new Set(points.map(({x}) => x)).size > 1);
  many.forEach(({points}) => points.sort((a, b) => a.x - b.x));
  return many;
}

// Returns where a line stands on which axis; null where it is no point of a growth.
function size_of(line) {
  const look_up = /^(\d+) (ids|of) ?(?:of )?(\d+) (documents|table rows), (.*)$/.exec(line.case);
  if (look_up) {
    const [, items, , size, what, rest] = look_up;
    return {
      x: Number(size),
      items: Number(items),
      title: `${line.variant}, ${rest}`,
      x_label: what === "documents" ? "documents in the bank" : "table rows",
      per: what === "documents" ? "id" : "row"
    };
  }
  const against = /^(.*), against (.*)$/.exec(line.case);
  const size = Number(line.variant);
  if (!against || line.variant === "" || !Number.isFinite(size) || size <= 0) return null;
  return {x: size, items: 1, title: against[1], x_label: against[2], per: "sample"};
}

const slope = (a, b) => Math.log(b.us / a.us) / Math.log(b.x / a.x);

// Says what the figures show: how much the cost changes, with which exponent, and which part or
// step makes most of it.
function describe_growth({points, per, x_label}) {
  const first = points[0], end = points.at(-1);
  const overall = slope(first, end), late = points.length > 2 ? slope(points.at(-2), end) : overall;
  const from = `From ${size_text(first.x)} to ${size_text(end.x)} the cost per ${per} goes from ${
      time_text(first.us)} to ${time_text(end.us)}`;
  const exponent = `log-log slope ${overall.toFixed(2)}` +
      (points.length > 2 ? `, ${late.toFixed(2)} at the end` : "");
  const change = end.us - first.us;
  const turn = turning_point(points);
  if (Math.abs(change) <= 0.1 * first.us && !turn)
    return `${from} (${exponent}): it does not depend on this size.`;
  const cause = part_that_changes(first, end, change, x_label) ?? step_that_changes(points, change);
  return [`${from} (${exponent}).`, turn, cause, roof_text(end)].filter(Boolean).join(" ");
}

// Names the size where the cost is a fifth below or above both ends; nothing where there is none.
function turning_point(points) {
  const ends = [points[0].us, points.at(-1).us];
  const least = points.reduce((a, b) => (b.us < a.us ? b : a)),
        most = points.reduce((a, b) => (b.us > a.us ? b : a));
  if (least.us < 0.8 * Math.min(...ends))
    return `It is least at ${size_text(least.x)}: ${time_text(least.us)}.`;
  if (most.us > 1.2 * Math.max(...ends))
    return `It is most at ${size_text(most.x)}: ${time_text(most.us)}.`;
  return "";
}

function part_that_changes(first, end, change, x_label) {
  const changes =
      Object.keys(end.parts)
          .filter((name) => name in first.parts)
          .map((name) => [name, (end.parts[name] - first.parts[name]) * Math.sign(change)])
          .sort((a, b) => b[1] - a[1]);
  const whole = changes.reduce((sum, [, by]) => sum + Math.max(by, 0), 0);
  if (changes.length === 0 || whole <= 0) return null;
  const [name, by] = changes[0];
  if (change > 0)
    return `What limits it: ${part_name(name)}, with ${percent(by / whole)} of the growth.`;
  const why = x_label === "the batch" ? ": a step's fixed work is shared by more samples" : "";
  return `What shrinks most: ${part_name(name)}, with ${percent(by / whole)} of the gain${why}.`;
}

function step_that_changes(points, change) {
  if (points.length < 3) return "";
  const steps = points.slice(1).map(
      (point, index) => (
          {from: points[index], to: point, by: (point.us - points[index].us) * Math.sign(change)}));
  const most = steps.reduce((a, b) => (b.by > a.by ? b : a));
  return `Most of the ${change > 0 ? "growth" : "gain"} lies between ${
      size_text(most.from.x)} and ${size_text(most.to.x)}.`;
}

function roof_text({x, line}) {
  if (!is_number(line.gigabytes_per_second)) return "";
  const moves = `At ${size_text(x)} it moves ${short(line.gigabytes_per_second)} GB/s`;
  if (!is_number(line.share_of_roof)) return `${moves}.`;
  const limit = line.share_of_roof >= 0.5 ? "the bandwidth of memory" :
                                            "waiting for memory, not its bandwidth";
  return `${moves}, ${
      percent(line.share_of_roof)} of what memory gives when read in sequence. What limits it: ${
      limit}.`;
}

// The whole cost with its quartiles, and its parts where they were measured.
function growth_lines({points}) {
  const x = points.map((point) => point.x);
  const of = (name, y, more) => ({name, x, y, ...more});
  const names = [...new Set(points.flatMap((point) => Object.keys(point.parts)))];
  return [
    of("75 %", points.map(({high}) => high),
       {colour: "--grid", width: 1, dots: false, silent: true}),
    of("25 %", points.map(({low}) => low), {colour: "--grid", width: 1, dots: false, silent: true}),
    of("whole", points.map(({us}) => us), {colour: "--ink", width: 2, dots: true}),
    ...names.map(
        (name) =>
            of(part_name(name), points.map(({parts}) => parts[name] ?? null),
               {colour: part_colour(name), dots: true}))
  ];
}
