// The course of the runs: quality, memory bank.
"use strict";

const kDashes = [
  ["solid", []], ["dashed", [6, 3]], ["dotted", [2, 3]], ["dash-dotted", [8, 3, 2, 3]],
  ["thinly dotted", [1, 5]]
];

// The unit of the axis of time, for all runs.
function time_unit() {
  const hours = Math.max(...report.runs.map((run) => run.hours));
  if (hours >= 2) return {factor: 1, text: "h"};
  return hours >= 2 / 60 ? {factor: 60, text: "min"} : {factor: 3600, text: "s"};
}

const course_text = (x) =>
    (view.x === "step" ? short(x) : `${trimmed(x)}\u00a0${time_unit().text}`);

// Returns a line per run and name; the dash tells the names of one run apart.
function run_lines(kind, names, {smooth = true} = {}) {
  return report.runs.flatMap(
      (run, index) => view.hidden.has(index) ?
          [] :
          names.filter((name) => run[kind][name])
              .map(
                  (name, which) => ({
                    name: report.runs.length > 1 ? `${run.name}, ${name}` : name,
                    x: view.x === "step" ? run[kind].step :
                                           run[kind].hours.map((time) => time * time_unit().factor),
                    y: smooth ? smoothed(run[kind][name]) : run[kind][name],
                    colour: colour_name(index),
                    dash: kDashes[names.indexOf(name) % kDashes.length][1],
                  })));
}

const has = (kind, name) => report.runs.some((run) => run[kind][name]?.some(is_number));

const names_with =
    (kind, prefix) => [...new Set(report.runs.flatMap((run) => Object.keys(run[kind])))].filter(
        (name) => name.startsWith(prefix));

// Adds a plot of these columns where a run has one of them. columns: [name, what it is called in
// the note].
function add_course(parent, kind, title, columns, options = {}) {
  const present = columns.filter(([name]) => has(kind, name));
  if (present.length === 0) return;
  const names = present.map(([name]) => name);
  const key = present.length > 1 ?
      present.map(([, called], index) => `${called} ${kDashes[index % kDashes.length][0]}`)
          .join(", ") :
      null;
  add_plot(parent, () => run_lines(kind, names, {smooth: kind === "training"}), {
    title,
    x_format: course_text,
    note: [key && key[0].toUpperCase() + key.slice(1), options.note].filter(Boolean).join(". "),
    ...options.plot
  });
}

function quality_section() {
  const made = section("quality", "Quality over time");
  const figures = grid();
  add_course(figures, "training", "Cross entropy, training", [["train/cross_entropy", "loss"]]);
  add_course(
      figures, "training", "AUC, training", [["train/window_auc", "AUC"]],
      {note: "Of the last 20 000 samples, before they were learned from."});
  add_course(figures, "validation", "Log loss, valid", [["valid/log_loss", "log loss"]]);
  add_course(figures, "validation", "AUC, valid", [["valid/auc", "AUC"]]);
  add_course(figures, "validation", "QAUC, valid", [["valid/qauc", "QAUC"]]);
  add_course(figures, "validation", "UAUC, valid", [["valid/uauc", "UAUC"]]);
  const buckets =
      names_with("validation", "valid/auc_document_seen_")
          .sort((a, b) => parseInt(a.split("_").at(-1)) - parseInt(b.split("_").at(-1)));
  add_course(
      figures, "validation", "AUC, valid, by how often a document was seen", buckets.map((name) => {
        const bucket = name.replace("valid/auc_document_seen_", "");
        const rows = report.runs.map((run) => run.validation[`valid/rows_document_seen_${bucket}`])
                         .map((column) => column?.filter(is_number).at(-1))
                         .find(is_number);
        return [name, is_number(rows) ? `${bucket} (${short(rows)} rows)` : bucket];
      }));
  add_course(
      figures, "training", "Alignment loss (SQDC)",
      [["train/alignment", "loss"], ["train/alignment_chance", "chance"]],
      {note: "Chance: log of the clicked documents of a step, where every one is as likely."});
  add_course(figures, "training", "Gradient norm", [["train/gradient_norm", "norm"]]);
  add_course(figures, "training", "Learning rate", [["train/learning_rate", "rate"]]);
  made.append(
      figures.children.length > 0 ?
          figures :
          missing(
              "No run has written a line of metrics.jsonl yet; the first comes after train.log_every steps."));
  if (figures.children.length > 0 && !has("validation", "valid/auc"))
    made.append(missing("No run has been evaluated on the split valid yet."));
}

function representation_section() {
  const made = section("representation", "Representations");
  const figures = grid();
  add_course(
      figures, "training", "Cosine of two random documents",
      [["representation/mean_cosine", "mean"]],
      {note: "Near 1 the encoders have collapsed: they tell no two documents apart."});
  add_course(
      figures, "training", "Effective rank", [["representation/effective_rank", "directions"]], {
        plot: {zero: true},
        note: "How many directions the centred vectors use, at most model.representation_width."
      });
  add_course(
      figures, "training", "Uniformity", [["representation/uniformity", "log"]],
      {note: "Log of the mean of exp(-2 distance²) over pairs; 0: all are one, -4: spread out."});
  add_course(
      figures, "validation", "Cosine of query and document, valid",
      [["representation/clicked_cosine", "clicked"], ["representation/other_cosine", "any other"]]);
  add_course(
      figures, "validation", "QAUC, valid, of the cosine alone",
      [["valid/content_qauc", "cosine"], ["valid/qauc", "model"]]);
  add_course(
      figures, "validation", "MRR, valid, of the cosine alone",
      [["valid/content_mrr", "cosine"], ["valid/mrr", "model"]]);
  made.append(
      figures.children.length > 0 ?
          figures :
          missing("No run here has representations, or none has written a line yet."));
}

// Tenths of the documents, from those that training shows least; "unseen" are those that it never
// shows.
const kDeciles = Array.from({length: 10}, (_, decile) => String(decile + 1));

// What the last evaluation of a run measured of a group of documents.
const of_decile = (run, what, name) => last(run.validation[`bank_deciles/${what}_${name}`]);

function decile_lines(what) {
  return report.runs.flatMap((run, index) => view.hidden.has(index) ? [] : [{
                               name: run.name,
                               x: kDeciles.map(Number),
                               y: kDeciles.map((name) => of_decile(run, what, name)),
                               colour: colour_name(index),
                               dots: true
                             }]);
}

function decile_table() {
  const groups = [...kDeciles, "unseen"];
  const columns =
      report.runs.map((run, index) => ({run, index}))
          .filter(({run}) => groups.some((name) => is_number(of_decile(run, "documents", name))));
  const head = (called) =>
      columns.map(({run, index}) => element("span", {title: run.name}, swatch(index), called));
  const values = (what, name, format) => columns.map(({run}) => format(of_decile(run, what, name)));
  const four = (value) => fixed(value, 4);
  const rows = groups.filter((name) => columns.some(({run}) => of_decile(run, "documents", name)))
                   .map(
                       (name) =>
                           [name, ...values("documents", name, short),
                            ...values("staleness", name, four), ...values("freshness", name, four),
                            ...values("age", name, short), ...values("coverage", name, percent)]);
  return table(
      [
        "popularity", ...head("documents"), ...head("staleness"), ...head("freshness"),
        ...head("age, steps"), ...head("coverage")
      ],
      rows, {
        caption: "The bank at the last evaluation, by how often training shows a document: " +
            "1 are the least shown tenth, 10 the most shown one"
      });
}

function bank_section() {
  const made = section("bank", "Memory bank");
  const figures = grid();
  add_course(figures, "training", "Staleness", [["bank/staleness", "cosine"]], {
    note:
        "Mean cosine of a document's new and stored vector; 1: nothing changed. The paper: 0.92, later 0.95."
  });
  add_course(
      figures, "training", "Freshness", [["bank/freshness", "share"]],
      {note: "The same, from 0, as near as any other document, to 1, as new."});
  add_course(
      figures, "training", "Age of the vectors read, steps",
      [["bank/age_median", "median"], ["bank/age_p90", "90 %"], ["bank/age_max", "oldest"]],
      {plot: {zero: true}});
  const coverage = names_with("training", "bank/coverage_")
                       .sort((a, b) => b.endsWith("_targets") - a.endsWith("_targets"));
  add_course(
      figures, "training", "Coverage",
      coverage.map((name) => [name, name.replace("bank/coverage_", "")]), {
        plot: {format: percent},
        note:
            "Share of looked-up documents whose vector the bank holds. The paper: targets 98 %, short 95 %, long 93 %."
      });
  add_course(
      figures, "training", "Documents in the bank", [["bank/documents", "documents"]],
      {plot: {zero: true}});
  const has_deciles = names_with("validation", "bank_deciles/").length > 0;
  if (has_deciles) {
    add_plot(figures, () => decile_lines("staleness"), {
      title: "Staleness by popularity",
      note: "The cosine at the last evaluation; 1: the least shown tenth of the documents."
    });
    add_plot(figures, () => decile_lines("coverage"), {
      title: "Coverage by popularity",
      format: percent,
      note: "Share of at most 64 documents of each tenth that the bank holds."
    });
  }
  made.append(
      figures.children.length > 0 ?
          figures :
          missing(
              "No run here has a memory bank (bank.enabled = false), or none has written a line yet."));
  if (has_deciles) made.append(decile_table());
}
