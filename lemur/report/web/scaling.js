// Benches: how a cost grows with a size, and in which part; all other cases as tables.
"use strict";

const kPartColours = { wait: 0, encode: 1, input: 2, rank: 3, backward: 4, update: 5 };
const part_name = (key) => kParts.find(([name]) => `${name}_ms` === key)?.[1] ?? key.replace(/_ms$/, "");

// Microseconds with a unit that suits them.
const time_text = (us) => (!is_number(us) ? "–" : us === 0 ? "0" : us >= 1000 ? `${short(us / 1000)}\u00a0ms` : us < 1 ? `${short(1000 * us)}\u00a0ns` : `${short(us)}\u00a0µs`);

// Finds what grows: [{file, title, x_label, per, points: [{x, us, low, high, parts, line}]}] with points by ascending size.
function growths() {
  const found = new Map();
  for (const line of report.bench) {
    const at = size_of(line);
    if (at === null || !is_number(line.median_ms)) continue;
    const key = JSON.stringify([line.file, at.title, at.x_label]);
    if (!found.has(key)) found.set(key, { file: line.file, title: at.title, x_label: at.x_label, per: at.per, points: [] });
    const scale = 1000 / at.items;
    const parts = Object.fromEntries(Object.entries(line.parts ?? {}).filter(([, ms]) => is_number(ms)).map(([name, ms]) => [name, 1000 * ms]));
    found.get(key).points.push({ x: at.x, us: line.median_ms * scale, low: line.low_ms * scale, high: line.high_ms * scale, parts, line });
  }
  const many = [...found.values()].filter(({ points }) => new Set(points.map(({ x }) => x)).size > 1);
  many.forEach(({ points }) => points.sort((a, b) => a.x - b.x));
  return many;
}

// Returns where a line stands on which axis; null where it is no point of a growth.
function size_of(line) {
  const look_up = /^(\d+) (ids|of) ?(?:of )?(\d+) (documents|table rows), (.*)$/.exec(line.case);
  if (look_up) {
    const [, items, , size, what, rest] = look_up;
    return { x: Number(size), items: Number(items), title: `${line.variant}, ${rest}`, x_label: what === "documents" ? "documents in the bank" : "table rows",
      per: what === "documents" ? "id" : "row" };
  }
  const against = /^(.*), against (.*)$/.exec(line.case);
  const size = Number(line.variant);
  if (!against || line.variant === "" || !Number.isFinite(size) || size <= 0) return null;
  return { x: size, items: 1, title: against[1], x_label: against[2], per: "sample" };
}

const slope = (a, b) => Math.log(b.us / a.us) / Math.log(b.x / a.x);

// Says what the figures show: how much the cost changes, with which exponent, and which part or step makes most of it.
function describe_growth({ points, per }) {
  const first = points[0], end = points.at(-1);
  const overall = slope(first, end), late = points.length > 2 ? slope(points.at(-2), end) : overall;
  const from = `From ${size_text(first.x)} to ${size_text(end.x)} the cost per ${per} goes from ${time_text(first.us)} to ${time_text(end.us)}`;
  const exponent = `log-log slope ${overall.toFixed(2)}` + (points.length > 2 ? `, ${late.toFixed(2)} at the end` : "");
  const change = end.us - first.us;
  if (Math.abs(change) <= 0.1 * first.us) return `${from} (${exponent}): it does not depend on this size.`;
  return `${from} (${exponent}). ${part_that_changes(first, end, change) ?? step_that_changes(points, change)}${roof_text(end)}`;
}

function part_that_changes(first, end, change) {
  const changes = Object.keys(end.parts).filter((name) => name in first.parts)
    .map((name) => [name, (end.parts[name] - first.parts[name]) * Math.sign(change)]).sort((a, b) => b[1] - a[1]);
  const whole = changes.reduce((sum, [, by]) => sum + Math.max(by, 0), 0);
  if (changes.length === 0 || whole <= 0) return null;
  const [name, by] = changes[0];
  return change > 0 ? `What limits it: ${part_name(name)}, with ${percent(by / whole)} of the growth.`
    : `What shrinks is ${part_name(name)}, with ${percent(by / whole)} of the gain: fixed work of a step is shared by more.`;
}

function step_that_changes(points, change) {
  if (points.length < 3) return "";
  const steps = points.slice(1).map((point, index) => ({ from: points[index], to: point, by: (point.us - points[index].us) * Math.sign(change) }));
  const most = steps.reduce((a, b) => (b.by > a.by ? b : a));
  return `Most of the ${change > 0 ? "growth" : "gain"} lies between ${size_text(most.from.x)} and ${size_text(most.to.x)}.`;
}

function roof_text({ x, line }) {
  if (!is_number(line.gigabytes_per_second)) return "";
  const moves = ` At ${size_text(x)} it moves ${short(line.gigabytes_per_second)} GB/s`;
  if (!is_number(line.share_of_roof)) return `${moves}.`;
  const limit = line.share_of_roof >= 0.5 ? "the bandwidth of memory" : "waiting for memory, not its bandwidth";
  return `${moves}, ${percent(line.share_of_roof)} of what memory gives when read in sequence. What limits it: ${limit}.`;
}

// The whole cost with its quartiles, and its parts where they were measured.
function growth_lines({ points }) {
  const x = points.map((point) => point.x);
  const of = (name, y, more) => ({ name, x, y, ...more });
  const names = [...new Set(points.flatMap((point) => Object.keys(point.parts)))];
  return [of("75 %", points.map(({ high }) => high), { colour: "--grid", width: 1, dots: false, silent: true }),
    of("25 %", points.map(({ low }) => low), { colour: "--grid", width: 1, dots: false, silent: true }),
    of("whole", points.map(({ us }) => us), { colour: "--ink", width: 2, dots: true }),
    ...names.map((name) => of(part_name(name), points.map(({ parts }) => parts[name] ?? null),
      { colour: `--part-${kPartColours[name.replace(/_ms$/, "")] ?? 0}`, dots: true }))];
}

function bench_section() {
  const made = section("bench", "Benches");
  if (report.bench.length === 0) return made.append(missing("No bench was given: `lemur bench scaling --json > bench.jsonl`, then `lemur report --bench bench.jsonl`."));
  const grown = growths();
  if (grown.length > 0) made.append(element("h3", {}, "Scaling"), part_legend(grown));
  const figures = grid();
  const several = new Set(report.bench.map((line) => line.file)).size > 1;
  for (const growth of grown) {
    add_plot(figures, () => growth_lines(growth), {
      title: growth.title.replace("one sample's share of a step", "A sample's share of a step") + `, against ${growth.x_label}`, log_x: true, zero: true, band: [0, 1], format: time_text,
      note: (several ? `${growth.file}. ` : "") + describe_growth(growth),
    });
  }
  made.append(figures, ...bench_tables(new Set(grown.flatMap(({ points }) => points.map(({ line }) => line)))));
}

function part_legend(grown) {
  const names = [...new Set(grown.flatMap(({ points }) => points.flatMap(({ parts }) => Object.keys(parts))))];
  const made = element("p", { className: "legend" }, key("--ink", "whole, with quartiles"));
  for (const name of names) made.append(key(`--part-${kPartColours[name.replace(/_ms$/, "")] ?? 0}`, part_name(name)));
  return made;
}

function key(colour, text) {
  const mark = element("span", { className: "swatch" });
  mark.style.background = `var(${colour})`;
  return element("span", { className: "key" }, mark, text);
}

// Tables of the lines that are in no plot, one per bench.
function bench_tables(plotted) {
  const rest = report.bench.filter((line) => !plotted.has(line));
  return [...new Set(rest.map((line) => line.bench))].flatMap((bench) => {
    const lines = rest.filter((line) => line.bench === bench);
    const timed = lines.filter((line) => is_number(line.median_ms));
    const figures = lines.filter((line) => !is_number(line.median_ms));
    return [element("h3", {}, bench), timed.length > 0 ? timed_table(timed) : null,
      figures.length > 0 ? figure_table(figures) : null].filter(Boolean);
  });
}

function timed_table(lines) {
  const columns = [["gflops", "GFLOP/s"], ["gigabytes_per_second", "GB/s"], ["items_per_second", "items/s"]].filter(([name]) => lines.some((line) => is_number(line[name])));
  const rows = lines.map((line, index) => [index > 0 && lines[index - 1].case === line.case ? "" : line.case, line.variant ?? "", time_text(1000 * line.median_ms),
    `${time_text(1000 * line.low_ms)} – ${time_text(1000 * line.high_ms)}`, fixed(line.ratio, 2), ...columns.map(([name]) => short(line[name])), percent(line.share_of_roof)]);
  return table(["Case", "Variant", "Median", "Quartiles", "Ratio", ...columns.map(([, called]) => called), "Of roof"], rows, { text: [0, 1] });
}

function figure_table(lines) {
  const rows = lines.flatMap((line) => Object.entries(line).filter(([, value]) => is_number(value)).map(([name, value]) => [line.case, name.replaceAll("_", " "), short(value)]));
  return table(["Case", "Figure", "Value"], rows, { text: [0, 1] });
}
