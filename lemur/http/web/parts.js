// Elements, and numbers as text. What comes from data becomes text nodes and nothing else.
"use strict";

const place = (id) => document.getElementById(id);

// Returns an element. `attributes` are properties ("className", "title" ...); children are elements
// or texts.
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const is_number = (value) => typeof value === "number" && Number.isFinite(value);

const fixed = (value, digits) =>
    (is_number(value) ? value.toFixed(digits).replace("-", "\u2212") : "–");

// "+0.12", with a true minus sign.
const signed = (value, digits) => (value < 0 ? "\u2212" : "+") + fixed(Math.abs(value), digits);

// A probability: 0.4321, and no zero where there is none.
const probability = (value) =>
    (is_number(value) && value > 0 && value < 0.0001 ? value.toExponential(1) : fixed(value, 4));

const milliseconds = (value) => `${fixed(value, value >= 10 ? 1 : 2)}\u00a0ms`;

const percent = (share) => `${fixed(100 * share, 1)}\u00a0%`;

// "3 s", "12 min", "5.2 h", "3 days".
function duration(seconds) {
  if (!is_number(seconds)) return "–";
  for (const [size, one, many] of [[86400, "day", "days"], [3600, "h", "h"], [60, "min", "min"]]) {
    const count = seconds / size;
    if (count < 1) continue;
    const shown = count < 10 ? count.toFixed(1).replace(/\.0$/, "") : String(Math.round(count));
    return `${shown}\u00a0${shown === "1" ? one : many}`;
  }
  return `${Math.max(0, Math.round(seconds))}\u00a0s`;
}

const time_text = (time_ms) =>
    new Date(time_ms).toLocaleString([], {dateStyle: "medium", timeStyle: "short"});

// Fills a <dl> with [name, value] pairs; pairs whose value is null are left out.
function fill_list(list, pairs) {
  list.replaceChildren(
      ...pairs.filter(([, value]) => value !== null)
          .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
