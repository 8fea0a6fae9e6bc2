// Plots: uPlot in the page's colours, drawn anew when width, theme or the reader's choice change.
"use strict";

const plots = [];  // {figure, draw(width)}
const kHeight = 190;
const kPrintedWidth = 335;  // CSS pixels: half of A4 between its margins
let printing = false;

const style_value = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Adds a figure to `parent`. `lines()` returns what is to be drawn now: [{name, x: [...], y: [...],
// colour: "--name", dash: [...], dots, width}], y null where nothing is known. options: {title,
// note, format, x_format, log_x, zero (the y axis begins there), scale (what y is divided by),
// band: [low, high] (indices of lines)}.
function add_plot(parent, lines, options) {
  const readout = element("span", {className: "readout"});
  const place = element("div", {className: "plot"});
  const figure = element(
      "figure", {}, element("figcaption", {}, element("b", {}, options.title), readout), place,
      options.note ? element("p", {className: "note"}, options.note) : null);
  parent.append(figure);
  const plot = {figure, place, readout, lines, options, drawn: null};
  plots.push(plot);
  return plot;
}

const grid = (...children) => element("div", {className: "grid"}, ...children);

function draw(plot) {
  if (plot.drawn) plot.drawn.destroy();
  plot.place.replaceChildren();
  plot.readout.textContent = "";
  plot.drawn = null;
  const lines = plot.lines().filter((line) => line.y.some(is_number));
  if (lines.length === 0) {
    plot.place.append(missing("No figures to draw."));
    return;
  }
  const data = uPlot.join(lines.map((line) => [line.x, line.y]));
  const width = printing ? kPrintedWidth : Math.max(200, Math.floor(plot.place.clientWidth));
  plot.drawn = new uPlot(uplot_options(plot, lines, width), data, plot.place);
}

const draw_all = () => plots.forEach(draw);

function uplot_options(plot, lines, width) {
  const {options} = plot;
  const format = options.format ?? short;
  const scale = options.scale ?? 1;
  const texts = options.format ? (splits) => splits.map(format) :
                                 (splits) => even_decimals(splits.map((value) => value / scale));
  return {
    width,
    height: kHeight,
    legend: {show: false},
    padding: [8, 10, 0, 0],
    cursor: {points: {size: 6}, y: false, drag: {x: !options.log_x, y: false}},
    scales: {
      x: {time: false, distr: options.log_x ? 3 : 1, range: options.log_x ? log_range : x_range},
      y: {range: (_, low, high) => y_range(low, high, options.zero)},
    },
    axes: [axis(plot, lines, 0), axis(plot, lines, 1, texts)],
    series: [{}, ...lines.map((line) => series(line))],
    bands: options.band && options.band.every((index) => index < lines.length) ?
        [{series: options.band.map((index) => index + 1), fill: style_value("--band")}] :
        [],
    hooks:
        {setCursor: [(drawn) => show_values(plot, drawn, lines, (value) => format(value / scale))]},
  };
}

function series(line) {
  const few = line.y.filter(is_number).length <= 24;
  return {
    label: line.name,
    stroke: style_value(line.colour),
    width: line.width ?? 1.5,
    dash: line.dash,
    spanGaps: true,
    points: {show: line.dots ?? few, size: 4, fill: style_value(line.colour)},
  };
}

// Numbers of an axis with as many decimals as its steps need.
function even_decimals(splits) {
  const step = Math.abs(splits[1] - splits[0]);
  if (!(step > 0) || Math.max(...splits.map(Math.abs)) >= 1000 || step < 1e-8)
    return splits.map(short);
  let decimals = 0;
  const is_whole = (x) => Math.abs(x - Math.round(x)) <= 1e-4 * x;
  while (decimals < 8 && !is_whole(step * 10 ** decimals)) ++decimals;
  return splits.map((value) => value.toFixed(decimals));
}

// A logarithmic axis reaches a little beyond its first and last size.
function log_range(_, low, high) {
  const air = (high / low) ** 0.07;
  return [low / air, high * air];
}

function axis(plot, lines, side, texts) {
  const base = {
    stroke: style_value("--muted"),
    font: "11px system-ui, sans-serif",
    grid: {stroke: style_value("--grid"), width: 1},
    ticks: {show: false},
  };
  if (side === 1) {
    return {
      ...base,
      size: (_, values) => 14 + 6.4 * Math.max(0, ...(values ?? []).map((value) => value.length)),
      gap: 4,
      space: 28,
      values: (_, splits) => texts(splits)
    };
  }
  const {options} = plot;
  const {log_x} = options;
  const sizes = log_x ? [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b) : null;
  return {
    ...base,
    size: 20,
    gap: 3,
    space: 48,
    values: (_, splits) => splits.map((value) => (options.x_format ?? short)(value)),
    ...(log_x ? {splits: () => sizes, filter: (_, splits) => splits} : {})
  };
}

// A single point stands in the middle.
const x_range = (_, low, high) => (low === high ? [low - 1, high + 1] : [low, high]);

// A little air around the figures; from 0 where the plot asks for it.
function y_range(low, high, zero) {
  if (!is_number(low) || !is_number(high)) return [0, 1];
  if (zero) return [0, high > 0 ? high * 1.06 : 1];
  const air = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.01 || 0.5;
  return [low - air, high + air];
}

// Writes the values under the cursor beside the title.
function show_values(plot, drawn, lines, format) {
  const index = drawn.cursor.idx;
  plot.readout.replaceChildren();
  if (index === null || index === undefined) return;
  plot.readout.append((plot.options.x_format ?? short)(drawn.data[0][index]));
  lines.forEach((line, i) => {
    const value = drawn.data[i + 1][index];
    if (!is_number(value) || line.silent) return;
    const shown = element("span", {title: line.name}, format(value));
    shown.style.color = `var(${line.colour})`;
    plot.readout.append(" ", shown);
  });
}

// Exponential moving average whose memory is a twentieth of the points.
function smoothed(values) {
  if (!view.smooth) return values;
  const weight = 2 / (Math.max(values.length / 20, 3) + 1);
  let average = null;
  return values.map((value) => {
    if (!is_number(value)) return null;
    average = average === null ? value : average + weight * (value - average);
    return average;
  });
}

function watch_surroundings() {
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (printing || Math.abs(entry.contentRect.width - width) < 1) return;
    width = entry.contentRect.width;
    draw_all();
  }).observe(document.getElementById("sections"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw_all);
  const print = (begins) => () => {
    printing = begins;
    document.documentElement.classList.toggle("printing", begins);
    draw_all();
  };
  addEventListener("beforeprint", print(true));
  addEventListener("afterprint", print(false));
}
