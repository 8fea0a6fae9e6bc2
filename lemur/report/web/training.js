// The course of the runs: quality, memory bank, cost.
"use strict";

const kDashes = [["solid", []], ["dashed", [6, 3]], ["dotted", [2, 3]], ["dash-dotted", [8, 3, 2, 3]], ["thinly dotted", [1, 5]]];
const kParts = [["wait", "loading"], ["encode", "encoders"], ["input", "look-ups"], ["rank", "ranker, losses"], ["backward", "gradients"],
  ["update", "optimisers"]];

// Returns a line per run and name; the dash tells the names of one run apart.
function run_lines(kind, names, { smooth = true } = {}) {
  return report.runs.flatMap((run, index) =>
    view.hidden.has(index) ? [] : names.filter((name) => run[kind][name]).map((name, which) => ({
      name: report.runs.length > 1 ? `${run.name}, ${name}` : name,
      x: run[kind][view.x],
      y: smooth ? smoothed(run[kind][name]) : run[kind][name],
      colour: colour_name(index),
      dash: kDashes[names.indexOf(name) % kDashes.length][1],
    })));
}

const has = (kind, name) => report.runs.some((run) => run[kind][name]?.some(is_number));

const names_with = (kind, prefix) => [...new Set(report.runs.flatMap((run) => Object.keys(run[kind])))].filter((name) => name.startsWith(prefix));

// Adds a plot of these columns where a run has one of them. columns: [name, what it is called in the note].
function add_course(parent, kind, title, columns, options = {}) {
  const present = columns.filter(([name]) => has(kind, name));
  if (present.length === 0) return;
  const names = present.map(([name]) => name);
  const key = present.length > 1 ? present.map(([, called], index) => `${called} ${kDashes[index % kDashes.length][0]}`).join(", ") : null;
  add_plot(parent, () => run_lines(kind, names, { smooth: kind === "training" }), { title, note: [key && key[0].toUpperCase() + key.slice(1), options.note].filter(Boolean).join(". "), ...options.plot });
}

function quality_section() {
  const made = section("quality", "Quality over time");
  const figures = grid();
  add_course(figures, "training", "Cross entropy, training", [["train/cross_entropy", "loss"]]);
  add_course(figures, "training", "AUC, training", [["train/window_auc", "AUC"]], { note: "Of the last 20 000 samples, before they were learned from." });
  add_course(figures, "validation", "Log loss, valid", [["valid/log_loss", "log loss"]]);
  add_course(figures, "validation", "AUC, valid", [["valid/auc", "AUC"]]);
  add_course(figures, "validation", "QAUC, valid", [["valid/qauc", "QAUC"]]);
  add_course(figures, "validation", "UAUC, valid", [["valid/uauc", "UAUC"]]);
  const buckets = names_with("validation", "valid/auc_document_seen_").sort((a, b) => parseInt(a.split("_").at(-1)) - parseInt(b.split("_").at(-1)));
  add_course(figures, "validation", "AUC, valid, by how often a document was seen", buckets.map((name) => [name, name.replace("valid/auc_document_seen_", "")]));
  add_course(figures, "training", "Alignment loss (SQDC)", [["train/alignment", "loss"]]);
  add_course(figures, "training", "Gradient norm", [["train/gradient_norm", "norm"]]);
  add_course(figures, "training", "Learning rate", [["train/learning_rate", "rate"]]);
  made.append(figures.children.length > 0 ? figures : missing("No run has written a line of metrics.jsonl yet; the first comes after train.log_every steps."));
  if (figures.children.length > 0 && !has("validation", "valid/auc")) made.append(missing("No run has been evaluated on the split valid yet."));
}

function bank_section() {
  const made = section("bank", "Memory bank");
  const figures = grid();
  add_course(figures, "training", "Staleness", [["bank/staleness", "cosine"]], { note: "Mean cosine of a document's new and stored vector; 1: nothing changed." });
  add_course(figures, "training", "Age of the vectors read, steps", [["bank/age_median", "median"], ["bank/age_p90", "90 %"], ["bank/age_max", "oldest"]], { plot: { zero: true } });
  const coverage = names_with("training", "bank/coverage_").sort((a, b) => b.endsWith("_targets") - a.endsWith("_targets"));
  add_course(figures, "training", "Coverage", coverage.map((name) => [name, name.replace("bank/coverage_", "")]), { plot: { format: percent }, note: "Share of looked-up documents whose vector the bank holds." });
  add_course(figures, "training", "Documents in the bank", [["bank/documents", "documents"]], { plot: { zero: true } });
  made.append(figures.children.length > 0 ? figures : missing("No run here has a memory bank (bank.enabled = false), or none has written a line yet."));
}

// Gives every run a column of its steps' whole times, the sum of the parts.
function add_step_times() {
  for (const { training } of report.runs) {
    const parts = kParts.map(([key]) => training[`time/${key}_ms`]).filter(Boolean);
    if (parts.length > 0) training["time/step_ms"] = training.step.map((_, line) => (parts.every((part) => is_number(part[line])) ? parts.reduce((sum, part) => sum + part[line], 0) : null));
  }
}

// The encoder's products per step, GFLOP: 2 per weight and token forward, 4 more for the share that has a gradient. Attention is left out.
function encoder_gflop(run) {
  const of = (name) => mean(run.training[name]);
  const documents = (of("encoder/forward") ?? 0) + (of("encoder/refreshed") ?? 0);
  if (!is_number(run.encoder_weights) || !is_number(of("encoder/tokens")) || documents === 0) return null;
  return 1e-9 * run.encoder_weights * of("encoder/tokens") * (2 + 4 * (of("encoder/backward") ?? 0) / documents);
}

function step_parts(run) {
  const parts = kParts.map(([key, called]) => ({ called, ms: mean(run.training[`time/${key}_ms`]) })).filter((part) => part.ms !== null);
  const whole = parts.reduce((sum, part) => sum + part.ms, 0);
  const bar = element("div", { className: "bar" });
  parts.forEach((part, index) => {
    const piece = element("span", { title: `${part.called}: ${short(part.ms)} ms` });
    piece.style.width = `${100 * part.ms / whole}%`;
    piece.style.background = `var(--part-${kParts.findIndex(([, called]) => called === part.called)})`;
    bar.append(piece);
  });
  return { parts, whole, bar };
}

function time_table() {
  const runs = report.runs.map((run, index) => ({ run, index, ...step_parts(run) })).filter(({ parts }) => parts.length > 0);
  if (runs.length === 0) return null;
  const heading = (index) => {
    const mark = element("span", { className: "swatch" });
    mark.style.background = `var(--part-${index})`;
    return element("span", {}, mark, kParts[index][1]);
  };
  const rows = runs.map(({ run, index, parts, whole, bar }) => [element("span", {}, swatch(index), run.name), bar, milliseconds(whole),
    ...kParts.map(([, called]) => { const part = parts.find((each) => each.called === called); return part ? milliseconds(part.ms) : "–"; })]);
  return table(["Run", "", "ms a step", ...kParts.map((_, index) => heading(index))], rows, { text: [0, 1], cards: true, caption: "Where a step's time goes, mean milliseconds" });
}

function cost_table() {
  const of = (name) => (run) => short(mean(run.training[name]));
  const rows = [
    ["Distinct documents a step", of("encoder/distinct_documents")], ["Documents encoded", of("encoder/forward")], ["Documents with a gradient", of("encoder/backward")],
    ["Documents refreshed for histories", of("encoder/refreshed")], ["Tokens encoded", of("encoder/tokens")], ["Encoder's products, GFLOP", (run) => short(encoder_gflop(run))],
    ["Dense parameters", (run) => short(Object.values(run.parameters).reduce((sum, count) => sum + count, 0) || null)],
    ["Table rows", (run) => short(last(run.training["tables/rows"]))], ["Tables", (run) => bytes(last(run.training["tables/bytes"]))],
    ["Bank", (run) => bytes(last(run.training["bank/bytes"]))], ["Checkpoint", (run) => bytes(run.checkpoint_bytes)],
    ["Peak memory", (run) => bytes(last(run.training["memory/peak_rss_bytes"]))],
  ];
  return table(["", ...report.runs.map((run, index) => element("span", {}, swatch(index), run.name))],
    rows.map(([called, value]) => [called, ...report.runs.map(value)]), { caption: "Work of a mean step, and memory" });
}

function cost_section() {
  const made = section("cost", "Throughput and cost");
  if (!has("training", "train/samples_per_second")) return made.append(missing("No run has written a line of metrics.jsonl yet."));
  const figures = grid();
  add_course(figures, "training", "Samples a second", [["train/samples_per_second", "samples"]], { plot: { zero: true } });
  add_step_times();
  add_course(figures, "training", "Milliseconds a step", [["time/step_ms", "time"]], { plot: { zero: true } });
  add_course(figures, "training", "Peak memory, GB", [["memory/peak_rss_bytes", "memory"]], { plot: { zero: true, scale: 1e9 } });
  made.append(figures, time_table() ?? "", cost_table(),
    element("p", { className: "note" }, "The encoder's products count two operations per weight and token forward and four backward; attention, images and queries are left out."));
}
