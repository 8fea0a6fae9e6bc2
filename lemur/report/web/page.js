// What all parts of the page share: the data, elements, numbers as text. Data becomes text nodes
// and nothing else.
"use strict";

const report = JSON.parse(document.getElementById("report-data").textContent);

// What the reader chose: x is "step" or "time"; `hidden` holds indices of runs.
const view = {
  x: "step",
  smooth: false,
  hidden: new Set()
};

// Returns an element. `attributes` are properties ("className", "title" ...); children are elements
// or texts.
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// The colour of a run, the same everywhere; one of eight.
const colour_name = (run) => `--series-${run % 8}`;

function swatch_of(colour) {
  const made = element("span", {className: "swatch"});
  made.style.background = `var(${colour})`;
  return made;
}

const swatch = (run) => swatch_of(colour_name(run));

// Returns a section with its heading; what is added to it later appears below.
function section(id, title, ...children) {
  const made = element("section", {id}, element("h2", {}, title), ...children);
  document.getElementById("sections").append(made);
  return made;
}

const missing = (text) => element("p", {className: "missing"}, text);

const is_number = (value) => typeof value === "number" && Number.isFinite(value);

// A number with `digits` after the point; a dash where it is undefined.
const fixed = (value, digits) => (is_number(value) ? value.toFixed(digits) : "–");

// A number with about three digits: 1.23, 45.6 k, 7.8 M.
function short(value) {
  if (!is_number(value)) return "–";
  const size = Math.abs(value);
  for (const [factor, unit] of [
           [1e12, "\u00a0T"], [1e9, "\u00a0G"], [1e6, "\u00a0M"], [1e3, "\u00a0k"]]) {
    if (size >= factor) return trimmed(value / factor) + unit;
  }
  return trimmed(value);
}

const milliseconds = (value) => (is_number(value) ? value.toFixed(value >= 10 ? 1 : 2) : "–");

// A size as it was chosen: 1024, 30 k, 0.25.
const size_text = (value) => (value < 10000 ? String(value) : short(value));

function trimmed(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4)));
}

const bytes = (value) =>
    (is_number(value) ? `${short(value)}B`.replace(/(\d)B/, "$1\u00a0B") : "–");

const percent = (share) => (is_number(share) ? `${trimmed(100 * share)}\u00a0%` : "–");

function duration(hours) {
  if (!is_number(hours)) return "–";
  if (hours >= 1) return `${hours.toFixed(1)} h`;
  return hours * 60 >= 1 ? `${(hours * 60).toFixed(1)} min` : `${Math.round(hours * 3600)} s`;
}

const date = (seconds) =>
    (is_number(seconds) ?
         new Date(1000 * seconds).toISOString().slice(0, 16).replace("T", " ") + " UTC" :
         "–");

// Returns a table that scrolls by itself where the page is too narrow. `head`: texts or elements;
// `rows`: lists of them. Columns of `text` (indices) are aligned left, the others are numbers. With
// `cards` a row becomes a card of labelled values on a phone.
function table(head, rows, {text = [0], caption = null, cards = false} = {}) {
  const cell = (tag) => (content, column) => {
    const label = cards && tag === "td" && column > 0 ?
        element("span", {className: "label"}, head[column].cloneNode?.(true) ?? head[column]) :
        null;
    return element(
        tag, {className: text.includes(column) ? "text" : "number"}, label, content ?? "–");
  };
  const made = element(
      "table", {className: cards ? "cards" : ""},
      caption === null ? null : element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map(cell("th")))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell("td"))))));
  return element("div", {className: "scroll"}, made);
}

const mean = (values) => {
  const numbers = (values ?? []).filter(is_number);
  return numbers.length === 0 ? null :
                                numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
};

const median = (values) => {
  const sorted = (values ?? []).filter(is_number).sort((a, b) => a - b);
  return sorted.length === 0 ? null : sorted[Math.floor((sorted.length - 1) / 2)];
};

const last = (values) => (values ?? []).filter(is_number).at(-1) ?? null;
