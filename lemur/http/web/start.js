// What the reader asks, and what the page does about it.
"use strict";

const kCandidates = 200;
const kStatusInterval = 10000;
let examples = {users: [], queries: [], documents: []};
let under_way = null;  // AbortController of the ranking that is asked for

function say(words, is_fault = false) {
  place("message").textContent = words;
  place("message").classList.toggle("fault", is_fault);
}

function candidates() {
  if (place("source").value === "newest") return examples.documents;
  const lines = place("pasted").value.split("\n").map((line) => line.trim());
  return [...new Set(lines.filter((line) => line !== ""))];
}

function request_of_form() {
  const request = {documents: candidates(), time_ms: Date.now()};
  const query = place("query").value.trim(), user = place("user").value.trim();
  if (query !== "") request.query = query;
  if (user !== "") request.user = user;
  return request;
}

async function rank() {
  const request = request_of_form();
  under_way?.abort();
  if (request.documents.length === 0) {
    clear_ranking();
    return say(
        place("source").value === "newest" ? "The store has shown no document yet." :
                                             "There are no IDs to rank.");
  }
  const own = under_way = new AbortController();
  place("results").classList.add("busy");
  say("Ranking …");
  show_history();
  try {
    const begin = performance.now();
    const answer = await ask_json("/v1/rank", {body: request, signal: own.signal});
    show_answer(answer, performance.now() - begin);
    show_ranking(request, answer);
    place("suggestions").replaceChildren();
    say(`${answer.documents.length} documents, best first.`);
  } catch (fault) {
    if (fault.name === "AbortError") return;
    clear_ranking();
    say(fault.message, true);
  } finally {
    if (own === under_way) place("results").classList.remove("busy");
  }
  refresh_status();
}

function show_suggestions() {
  const tries = examples.queries.slice(0, 6).map((query) => {
    const button = element("button", {type: "button"}, query);
    button.addEventListener("click", () => {
      place("query").value = query;
      rank();
    });
    return button;
  });
  if (tries.length > 0) tries.unshift(element("span", {className: "note"}, "Asked lately:"));
  place("suggestions").replaceChildren(...tries);
  fill_list(place("answer"), [["documents", "none yet"]]);
}

// Asks for what the page begins with: again once there is a token.
async function begin() {
  try {
    examples = await ask_json(`/v1/examples?count=${kCandidates}`);
  } catch (fault) {
    return say(fault.message, true);
  }
  place("token-form").hidden = true;
  place("users").replaceChildren(
      ...examples.users.slice(0, 50).map((user) => element("option", {value: user})));
  show_suggestions();
  say("Type a query or pick a user; either may stay empty.");
  await refresh_status();
  show_history();
}

place("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  rank();
});
place("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = place("token").value.trim();
  place("token").value = "";
  begin();
});
place("source").addEventListener("change", () => {
  place("pasted-field").hidden = place("source").value !== "pasted";
});
place("user").addEventListener("change", show_history);
place("history-name").addEventListener("change", show_history);
place("more").addEventListener("click", show_more);
document.addEventListener("keydown", on_key);
setInterval(() => {
  if (!document.hidden && place("token-form").hidden) refresh_status();
}, kStatusInterval);
begin();
