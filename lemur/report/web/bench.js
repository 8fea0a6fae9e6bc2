// The section of benches: plots of what grows, tables of all other cases.
"use strict";

function bench_section() {
  const made = section("bench", "Benches");
  if (report.bench.length === 0)
    return made.append(missing(
        "No bench was given: `lemur bench scaling --json > bench.jsonl`, then `lemur report --bench bench.jsonl`."));
  const grown = growths();
  if (grown.length > 0) made.append(element("h3", {}, "Scaling"), part_legend(grown));
  const figures = grid();
  const several = new Set(report.bench.map((line) => line.file)).size > 1;
  for (const growth of grown) {
    add_plot(figures, () => growth_lines(growth), {
      title: growth.title.replace("one sample's share of a step", "A sample's share of a step") +
          `, against ${growth.x_label}`,
      log_x: true,
      x_format: size_text,
      zero: true,
      band: [0, 1],
      format: time_text,
      note: (several ? `${growth.file}. ` : "") + describe_growth(growth),
    });
  }
  made.append(
      figures, ...bench_tables(new Set(grown.flatMap(({points}) => points.map(({line}) => line)))));
}

function part_legend(grown) {
  const names =
      [...new Set(grown.flatMap(({points}) => points.flatMap(({parts}) => Object.keys(parts))))];
  const made = element("p", {className: "legend"}, key("--ink", "whole, with quartiles"));
  for (const name of names) made.append(key(part_colour(name), part_name(name)));
  return made;
}

const key = (colour, text) => element("span", {}, swatch_of(colour), text);

// Tables of the lines that are in no plot, one per bench.
function bench_tables(plotted) {
  const rest = report.bench.filter((line) => !plotted.has(line));
  return [...new Set(rest.map((line) => line.bench))].flatMap((bench) => {
    const lines = rest.filter((line) => line.bench === bench);
    const timed = lines.filter((line) => is_number(line.median_ms));
    const figures = lines.filter((line) => !is_number(line.median_ms));
    return [
      element("h3", {}, bench), timed.length > 0 ? timed_table(timed) : null,
      figures.length > 0 ? figure_table(figures) : null
    ].filter(Boolean);
  });
}

function timed_table(lines) {
  const columns = [
    ["gflops", "GFLOP/s"], ["gigabytes_per_second", "GB/s"], ["items_per_second", "items/s"]
  ].filter(([name]) => lines.some((line) => is_number(line[name])));
  const rows = lines.map(
      (line, index) =>
          [index > 0 && lines[index - 1].case === line.case ? "" : line.case, line.variant ?? "",
           time_text(1000 * line.median_ms),
           `${time_text(1000 * line.low_ms)} – ${time_text(1000 * line.high_ms)}`,
           fixed(line.ratio, 2), ...columns.map(([name]) => short(line[name])),
           percent(line.share_of_roof)]);
  return table(
      [
        "Case", "Variant", "Median", "Quartiles", "Ratio", ...columns.map(([, called]) => called),
        "Of roof"
      ],
      rows, {text: [0, 1]});
}

function figure_table(lines) {
  const rows = lines.flatMap(
      (line) => Object.entries(line)
                    .filter(([, value]) => is_number(value))
                    .map(([name, value]) => [line.case, name.replaceAll("_", " "), short(value)]));
  return table(["Case", "Figure", "Value"], rows, {text: [0, 1]});
}
