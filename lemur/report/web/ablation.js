// Tables of `lemur ablate`: ours beside the paper's.
"use strict";

const with_interval = (value, half, digits, text) =>
    (is_number(value) ? text(value) + (is_number(half) ? ` ± ${half.toFixed(digits)}` : "") : "–");

const signed_percent = (value) => `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}\u00a0%`;

// What the paper published: absolute in the base's row, elsewhere a change in percent.
const published = (value, is_base) =>
    (is_number(value) ? (is_base ? value.toFixed(5) : signed_percent(value)) : "–");

function ablation_row(row, base, second, has_paper_costs) {
  const is_base = row.arm === base;
  const metric = (name) => {
    const ours = row[name] ?? {};
    return [
      with_interval(ours.mean, ours.half_width, 4, (value) => value.toFixed(4)),
      is_base ? "" : with_interval(ours.change_percent, ours.change_half_width, 2, signed_percent),
      published(row.paper?.[name === "auc" ? "auc" : "qauc"], is_base)
    ];
  };
  return [
    row.title, ...metric("auc"), ...metric(second), short(row.parameters),
    short(row.flops_per_step), ...(has_paper_costs ? [short(row.paper?.flops_per_step)] : []),
    short(row.ranker_flops_per_sample), short(row.samples_per_second), duration(row.hours),
    is_number(row.learning_rate) ? String(row.learning_rate) : "–"
  ];
}

function ablation_section() {
  const tables = report.ablations ?? [];
  if (tables.length === 0) return;
  const made = section("ablation", "Ablation");
  for (const each of tables) {
    const has_any = (name) => each.rows.some((row) => is_number(row[name]?.mean));
    const second = !has_any("qauc") && has_any("uauc") ? "uauc" : "qauc";
    const has_paper_costs = each.rows.some((row) => is_number(row.paper?.flops_per_step));
    const head = [
      "Arm", "AUC", "Change", "Paper", second.toUpperCase(), "Change", "Paper's QAUC",
      "Dense parameters", "FLOPs a step", ...(has_paper_costs ? ["Paper"] : []),
      "Ranker's FLOPs a sample", "Samples/s", "Training", "Learning rate"
    ];
    made.append(table(
        head, each.rows.map((row) => ablation_row(row, each.base, second, has_paper_costs)),
        {caption: `${each.title}, on ${each.split ?? "test"}, ${each.seeds} seeds`, cards: true}));
    for (const note of each.notes ?? []) made.append(element("p", {className: "note"}, note));
  }
  made.append(element(
      "p", {className: "note"},
      "Changes are relative, against the base of the table, seed by seed; ± is half the width of a 95 % confidence interval over the seeds. The paper's figures are of other data."));
}
