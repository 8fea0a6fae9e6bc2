// What `lemur evaluate` kept in the runs: metrics, calibration, slices.
"use strict";

const kMetrics = [
  ["auc", "AUC"], ["qauc", "QAUC"], ["uauc", "UAUC"], ["log_loss", "Log loss"],
  ["ndcg_at_5", "NDCG@5"], ["ndcg_at_10", "NDCG@10"], ["mrr", "MRR"],
  ["calibration", "Pred. / obs."], ["ece", "ECE"]
];
const kNoBaselines =
    "No run holds what simple methods reach: `lemur baselines --store DIR --split test --run DIR` keeps it in the run.";
const kNoEvaluation =
    "No run holds an evaluation: `lemur evaluate --run DIR --store DIR --split test` keeps one in it.";

// Returns [{run (index), result}] of all kept evaluations.
const evaluations = () =>
    report.runs.flatMap((run, index) => run.evaluations.map((result) => ({run: index, result})));

// The evaluation that stands for a run on a split: of its best checkpoint, else of the newest.
function evaluation_of(run, split) {
  const of_split = run.evaluations.filter((result) => result.split === split);
  const best = `step-${String(run.best_step).padStart(6, "0")}`;
  return of_split.find((result) => result.checkpoint === best) ?? of_split.at(-1) ?? null;
}

const splits = () => [...new Set(evaluations().map(({result}) => result.split))].sort();

function evaluation_section() {
  const made = section("evaluation", "Evaluations");
  if (evaluations().length === 0) return made.append(missing(kNoEvaluation));
  const rows = evaluations().map(
      ({run, result}) =>
          [element("span", {}, swatch(run), report.runs[run].name), result.split, result.checkpoint,
           short(result.rows), ...kMetrics.map(([key]) => fixed(result[key], 4))]);
  made.append(table(
      ["Run", "Split", "Checkpoint", "Rows", ...kMetrics.map(([, called]) => called)], rows,
      {text: [0, 1, 2], cards: true}));
}

// Runs of one store have the same baselines, and share a table.
function baselines_section() {
  const made = section("baselines", "What simple methods reach");
  const shared = new Map();
  report.runs.forEach((run, index) => run.baselines.forEach((found) => {
    const key = JSON.stringify(found);
    if (!shared.has(key)) shared.set(key, {found, runs: []});
    shared.get(key).runs.push(index);
  }));
  if (shared.size === 0) return made.append(missing(kNoBaselines));
  for (const {found, runs} of shared.values()) made.append(baselines_table(found, runs));
  made.append(element(
      "p", {className: "note"},
      "Fitted on train and chosen on valid, of the same impressions; a model that is not above them is not worth its cost."));
}

function baselines_table({split, methods}, runs) {
  const figures = (result) => kMetrics.map(([key]) => fixed(result?.[key], 4));
  const rows = methods.map((method) => [method.name, ...figures(method), method.how ?? ""]);
  for (const run of runs) {
    const name = element("span", {}, swatch(run), report.runs[run].name);
    const result = evaluation_of(report.runs[run], split);
    rows.push([
      name, ...figures(result),
      result ? `checkpoint ${result.checkpoint}` : "not evaluated on this split"
    ]);
  }
  return table(
      ["Method", ...kMetrics.map(([, called]) => called), "How"], rows,
      {text: [0, kMetrics.length + 1], caption: `On ${split}`, cards: true});
}

function calibration_section() {
  const made = section("calibration", "Calibration");
  const figures = grid();
  for (const split of splits()) {
    if (!report.runs.some((run) => evaluation_of(run, split)?.calibration_bins?.length)) continue;
    add_plot(figures, () => calibration_lines(split), {
      title: `Observed rate against prediction, ${split}`,
      zero: true,
      note: "A point holds a twentieth of the rows; the thin line is perfect calibration.",
    });
  }
  if (figures.children.length === 0) made.append(missing(kNoEvaluation));
  add_course(
      figures, "validation", "Predicted over observed rate, valid",
      [["valid/calibration", "ratio"]], {note: "1 is right on the whole."});
  add_course(
      figures, "validation", "Expected calibration error, valid", [["valid/ece", "ECE"]],
      {plot: {zero: true}, note: "Mean distance of prediction and observed rate over 20 bins."});
  made.append(figures);
}

function calibration_lines(split) {
  const lines = report.runs.flatMap((run, index) => {
    const bins = view.hidden.has(index) ? [] : evaluation_of(run, split)?.calibration_bins ?? [];
    return bins.length === 0 ? [] : [{
      name: run.name,
      x: bins.map((bin) => bin.prediction),
      y: bins.map((bin) => bin.observed),
      colour: colour_name(index),
      dots: true
    }];
  });
  if (lines.length === 0) return [];
  const end = Math.max(...lines.flatMap((line) => [...line.x, ...line.y]));
  return [
    {
      name: "perfect",
      x: [0, end],
      y: [0, end],
      colour: "--muted",
      width: 1,
      dots: false,
      silent: true
    },
    ...lines
  ];
}

function slices_section() {
  const made = section("slices", "Slices");
  const tables = element("div", {className: "tables"});
  for (const split of splits()) {
    const results = report.runs.map((run) => evaluation_of(run, split));
    const names = [...new Set(results.flatMap((result) => Object.keys(result?.slices ?? {})))];
    for (const name of names) tables.append(slice_table(split, name, results));
  }
  made.append(tables.children.length > 0 ? tables : missing(kNoEvaluation));
}

function slice_table(split, name, results) {
  const buckets =
      [...new Set(results.flatMap((result) => Object.keys(result?.slices?.[name] ?? {})))];
  const columns = results.map((result, run) => ({run, slices: result?.slices?.[name]}))
                      .filter(({slices}) => slices);
  const head = (called) =>
      columns.map(({run}) => element("span", {title: report.runs[run].name}, swatch(run), called));
  const rows = buckets.map(
      (bucket) =>
          [bucket, short(columns.map(({slices}) => slices[bucket]?.rows).find(is_number)),
           ...columns.map(({slices}) => fixed(slices[bucket]?.auc, 4)),
           ...columns.map(({slices}) => fixed(slices[bucket]?.qauc, 4))]);
  return table(
      [name.replaceAll("_", " "), "rows", ...head("AUC"), ...head("QAUC")], rows,
      {caption: `${split}, by ${name.replaceAll("_", " ")}`});
}
