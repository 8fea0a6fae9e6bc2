// The page: header with key results, controls, sections, configuration, environment.
"use strict";

function best_of(run, name) {
  const {validation} = run;
  const at = (validation.step ?? []).indexOf(run.best_step);
  return at >= 0 ? validation[name]?.[at] : last(validation[name]);
}

function header() {
  const names = report.runs.map((run) => run.name);
  document.title = `${names.join(", ")} – lemur report`;
  const rows = report.runs.map((run, index) => {
    const test = evaluation_of(run, "test");
    return [
      element("span", {}, swatch(index), run.name), fixed(best_of(run, "valid/auc"), 4),
      fixed(best_of(run, "valid/qauc"), 4), fixed(test?.auc, 4), fixed(test?.qauc, 4),
      fixed(test?.log_loss, 4), short(run.step) + (run.finished ? "" : " so far"),
      duration(run.hours), short(median(run.training["train/samples_per_second"])),
      bytes(last(run.training["memory/peak_rss_bytes"]))
    ];
  });
  document.getElementById("header").append(
      element("h1", {}, "lemur report"),
      element(
          "p", {className: "note"},
          `${report.runs.length === 1 ? "One run" : `${report.runs.length} runs`}, ${
              date(report.created)}. The figures of valid are those of the best checkpoint.`),
      table(
          [
            "Run", "AUC valid", "QAUC valid", "AUC test", "QAUC test", "Log loss test", "Steps",
            "Training", "Samples/s", "Memory"
          ],
          rows, {cards: true}));
  const problems =
      report.runs.flatMap((run) => run.problems.map((problem) => `${run.name}: ${problem}`));
  for (const problem of problems) document.getElementById("header").append(missing(problem));
}

function choice(type, group, text, checked, change, mark = null) {
  const input = element("input", {type, name: group, checked});
  input.addEventListener("change", () => {
    change(input.checked);
    draw_all();
  });
  return element("label", {}, input, mark, text);
}

function controls() {
  const bar = document.getElementById("controls");
  const runs = element("span", {className: "choices"});
  report.runs.forEach(
      (run, index) => runs.append(choice(
          "checkbox", "run", run.name, true,
          (shown) => (shown ? view.hidden.delete(index) : view.hidden.add(index)), swatch(index))));
  bar.append(
      runs, element("span", {className: "choices"}, choice("radio", "x", "steps", true, () => {
                      view.x = "step";
                    }), choice("radio", "x", "time", false, () => {
                      view.x = "time";
                    }), choice("checkbox", "smooth", "smooth", false, (on) => {
                      view.smooth = on;
                    })));
}

function configuration_section() {
  const {columns, rows} = report.configuration;
  const one = report.runs.length === 1;
  const made = section(
      "configuration", one ? "Configuration beside the defaults" : "Configuration differences");
  if (rows.length === 0)
    return made.append(
        missing(one ? "Every key has its default." : "The runs have the same configuration."));
  const head = [
    "Key", ...columns.map((name, index) => (one ? name : element("span", {}, swatch(index), name)))
  ];
  made.append(
      table(head, rows.map(({key: name, values}) => [name, ...values]), {text: [...head.keys()]}));
  made.lastChild.classList.add("code");
}

function environment_section() {
  const made = section("environment", "Environment");
  const rows = report.runs.flatMap(
      (run, index) => run.environment.map(
          (entry) =>
              [element("span", {}, swatch(index), run.name), date(entry.time), short(entry.step),
               entry.processor, entry.cpu_path, short(entry.cores), short(entry.threads),
               bytes(entry.memory_bytes), entry.lemur, entry.libtorch]));
  made.append(
      rows.length === 0 ?
          missing("No run holds environment.json: they were trained by an older lemur.") :
          table(
              [
                "Run", "Started", "At step", "Processor", "Path", "Cores", "Threads", "Memory",
                "lemur", "LibTorch"
              ],
              rows, {text: [0, 1, 3, 4], cards: true}));
  const counts = [...new Set(report.runs.flatMap((run) => Object.keys(run.data)))];
  made.append(table(
      ["Data", ...report.runs.map((run, index) => element("span", {}, swatch(index), run.name))],
      counts.map(
          (name) =>
              [name,
               ...report.runs.map(
                   (run) =>
                       (is_number(run.data[name]) ? run.data[name].toLocaleString("en") : "–"))])));
}

header();
controls();
quality_section();
representation_section();
bank_section();
cost_section();
evaluation_section();
baselines_section();
calibration_section();
slices_section();
ablation_section();
bench_section();
configuration_section();
environment_section();
document.getElementById("footer").textContent = `lemur ${report.lemur}`;
watch_surroundings();
