// Beside the ranking: the user's history, the last answer's times, the state of the model.
"use strict";

const kKeptTimes = 500;
const times = [];  // of this page's rankings, milliseconds from question to answer

// Returns the smallest time that `share` of the times do not exceed.
function quantile(share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

function show_answer(answer, took) {
  times.push(took);
  if (times.length > kKeptTimes) times.shift();
  const {queue, prepare, score, total} = answer.timings_ms;
  fill_list(place("answer"), [
    ["documents", String(answer.documents.length)], ["round trip", milliseconds(took)],
    ["in the server", milliseconds(total)], ["· waiting", milliseconds(queue)],
    ["· preparing", milliseconds(prepare)], ["· scoring", milliseconds(score)],
    [`p50 of ${times.length}`, milliseconds(quantile(0.5))],
    [`p99 of ${times.length}`, milliseconds(quantile(0.99))]
  ]);
}

function show_status(status) {
  const {model, bank} = status;
  place("model-line").textContent =
      status.ready ? `${model.name} · ${model.version}` : "no model is loaded";
  fill_list(place("model"), [
    ["version", status.ready ? model.version : "none"],
    ["loaded", status.loaded_at_ms > 0 ? time_text(status.loaded_at_ms) : "never"],
    ["bank covers", `${percent(bank.coverage)} (${bank.rows.toLocaleString()})`],
    ["newest event", `${duration(status.staleness_seconds)} ago`],
    ["requests waiting", String(status.queue)], ["failed loads", String(status.load_failures)],
    ["last load error", status.last_load_error === "" ? null : status.last_load_error]
  ]);
  const names = place("history-name");
  if (names.childElementCount === 0)
    names.append(...status.histories.map((name) => element("option", {value: name}, name)));
  names.hidden = status.histories.length < 2;
}

async function refresh_status() {
  try {
    show_status(await ask_json("/v1/status"));
  } catch (fault) {
    place("model-line").textContent = fault.message;
  }
}

const no_actions = (words) => [element("li", {className: "note"}, words)];

let history_asked = 0;

async function show_history() {
  const asked = ++history_asked;
  const user = place("user").value.trim();
  const list = place("history");
  if (user === "") return list.replaceChildren(...no_actions("No user: nobody's past counts."));
  const name = place("history-name").value;
  try {
    const path = `/v1/users/${encodeURIComponent(user)}/history?limit=100` +
        (name === "" ? "" : `&name=${encodeURIComponent(name)}`);
    const {actions} = await ask_json(path);
    if (asked !== history_asked) return;
    list.replaceChildren(
        ...(actions.length === 0 ? no_actions("This user has no past here.") :
                                   actions.map(past_action)));
  } catch (fault) {
    if (asked === history_asked) list.replaceChildren(...no_actions(fault.message));
  }
}

function past_action({document: id, title, time_ms, action}) {
  const name = id === null ? "a document that the store lacks" : title === "" ? id : title;
  const about = [id === null || title === "" ? "" : id, action, time_text(time_ms)];
  return element(
      "li", {}, name,
      element("span", {className: "about"}, about.filter((part) => part !== "").join(" · ")));
}
