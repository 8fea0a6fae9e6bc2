// What training costs: throughput, the parts of a step, work and memory.
"use strict";

const kParts = [
  ["wait", "loading"], ["encode", "encoders"], ["input", "look-ups"], ["rank", "ranker, losses"],
  ["backward", "gradients"], ["update", "optimisers"]
];

// Gives every run a column of its steps' whole times, the sum of the parts.
function add_step_times() {
  for (const {training} of report.runs) {
    const parts = kParts.map(([key]) => training[`time/${key}_ms`]).filter(Boolean);
    if (parts.length > 0)
      training["time/step_ms"] = training.step.map(
          (_, line) =>
              (parts.every((part) => is_number(part[line])) ?
                   parts.reduce((sum, part) => sum + part[line], 0) :
                   null));
  }
}

function step_parts(run) {
  const parts = kParts.map(([key, called]) => ({called, ms: mean(run.training[`time/${key}_ms`])}))
                    .filter((part) => part.ms !== null);
  const whole = parts.reduce((sum, part) => sum + part.ms, 0);
  const bar = element("div", {className: "bar"});
  parts.forEach((part, index) => {
    const piece = element("span", {title: `${part.called}: ${short(part.ms)} ms`});
    piece.style.width = `${100 * part.ms / whole}%`;
    piece.style.background =
        `var(--part-${kParts.findIndex(([, called]) => called === part.called)})`;
    bar.append(piece);
  });
  return {parts, whole, bar};
}

function time_table() {
  const runs = report.runs.map((run, index) => ({run, index, ...step_parts(run)}))
                   .filter(({parts}) => parts.length > 0);
  if (runs.length === 0) return null;
  const heading = (index) => element("span", {}, swatch_of(`--part-${index}`), kParts[index][1]);
  const rows = runs.map(
      ({run, index, parts, whole, bar}) =>
          [element("span", {}, swatch(index), run.name), bar, milliseconds(whole),
           ...kParts.map(([, called]) => {
             const part = parts.find((each) => each.called === called);
             return part ? milliseconds(part.ms) : "–";
           })]);
  return table(
      ["Run", "", "ms a step", ...kParts.map((_, index) => heading(index))], rows,
      {text: [0, 1], cards: true, caption: "Where a step's time goes, mean milliseconds"});
}

function cost_table() {
  const of = (name) => (run) => short(mean(run.training[name]));
  const rows = [
    ["Distinct documents a step", of("encoder/distinct_documents")],
    ["Documents encoded", of("encoder/forward")],
    ["Documents with a gradient", of("encoder/backward")],
    ["Documents refreshed", of("encoder/refreshed")],
    ["Tokens encoded", of("encoder/tokens")],
    ["Operations executed (FLOP)", of("flops/step")],
    ["– in the encoders", of("flops/encoders")],
    ["– in decoders and similarity", of("flops/histories")],
    ["– in the ranker", of("flops/ranker")],
    ["– of all in the backward pass", of("flops/backward")],
    [
      "Dense parameters",
      (run) => short(Object.values(run.parameters).reduce((sum, count) => sum + count, 0) || null)
    ],
    ["Table rows", (run) => short(last(run.training["tables/rows"]))],
    ["Tables", (run) => bytes(last(run.training["tables/bytes"]))],
    ["Bank", (run) => bytes(last(run.training["bank/bytes"]))],
    ["Checkpoint", (run) => bytes(run.checkpoint_bytes)],
    ["Peak memory", (run) => bytes(last(run.training["memory/peak_rss_bytes"]))],
  ];
  return table(
      ["", ...report.runs.map((run, index) => element("span", {}, swatch(index), run.name))],
      rows.map(([called, value]) => [called, ...report.runs.map(value)]),
      {caption: "Work of a mean step, and memory"});
}

function cost_section() {
  const made = section("cost", "Throughput and cost");
  if (!has("training", "train/samples_per_second"))
    return made.append(missing("No run has written a line of metrics.jsonl yet."));
  const figures = grid();
  add_course(
      figures, "training", "Samples a second", [["train/samples_per_second", "samples"]],
      {plot: {zero: true}});
  add_step_times();
  add_course(
      figures, "training", "Milliseconds a step", [["time/step_ms", "time"]], {plot: {zero: true}});
  add_course(
      figures, "training", "Peak memory, GB", [["memory/peak_rss_bytes", "memory"]],
      {plot: {zero: true, scale: 1e9}});
  made.append(
      figures, time_table() ?? "", cost_table(),
      element(
          "p", {className: "note"},
          "Operations executed are counted where products run, and are missing where LibTorch or a GPU runs them."));
}
