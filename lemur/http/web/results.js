// The ranking: a list of results that open, and how keys move in it.
"use strict";

const kFlagWords = {
  unknown_document: "not in the store",
  encoded_now: "encoded for this answer",
  no_content: "scored without its content"
};
const kPage = 20;

// What is shown: the request that was answered, its documents best first, and how many of them are
// in the list.
let shown = {request: null, documents: [], count: 0};

const buttons = () => [...document.querySelectorAll(".result")];

async function open_result(button, parts, ranked) {
  button.setAttribute("aria-expanded", "true");
  parts.hidden = false;
  if (parts.querySelector("h3") !== null) return;
  parts.replaceChildren(element("p", {className: "note"}, "Taking the score apart …"));
  try {
    const request = {...shown.request, documents: [ranked.id], explain: true};
    const [answer, facts] = await Promise.all([
      ask_json("/v1/rank", {body: request}),
      ranked.flags.includes("unknown_document") ? null : facts_of(ranked.id)
    ]);
    show_explanation(parts, answer.documents[0], facts, request.query !== undefined);
  } catch (fault) {
    parts.replaceChildren(element("p", {className: "flag"}, fault.message));
  }
}

function close_result(button) {
  button.setAttribute("aria-expanded", "false");
  place(button.getAttribute("aria-controls")).hidden = true;
}

const flag_words = (flags) => flags.map((flag) => kFlagWords[flag] ?? flag).join(", ");

function score_bar(score, best) {
  const fill = element("span", {className: "fill"});
  fill.style.width = `${best > 0 ? 100 * score / best : 0}%`;
  return element(
      "span", {className: "score"}, element("span", {className: "track"}, fill),
      element("span", {}, probability(score)));
}

// Adds what the server knows of the document, once it is there.
async function add_facts(id, title, about, thumb) {
  const facts = await facts_of(id);
  if (title_of(facts) !== "") {
    title.textContent = title_of(facts);
    about.prepend(element("span", {}, id));
  }
  if (!facts?.has_image) return;
  place("results").classList.remove("no-images");
  await draw_image(thumb, id).catch(() => {});
}

function result(ranked, best) {
  const title = element("span", {className: "title"}, ranked.id);
  const about = element("span", {className: "about"});
  if (ranked.flags.length > 0)
    about.append(element("span", {className: "flag"}, ` ${flag_words(ranked.flags)}`));
  const thumb = element("canvas", {className: "thumb", width: 1, height: 1, ariaHidden: "true"});
  const parts = element("div", {className: "parts", id: `parts-${ranked.rank}`, hidden: true});
  const button = element(
      "button", {className: "result", type: "button", ariaExpanded: "false"},
      element("span", {className: "rank"}, String(ranked.rank)), thumb,
      element("span", {}, title, about), score_bar(ranked.score, best));
  button.setAttribute("aria-controls", parts.id);
  button.addEventListener("click", () => {
    if (button.ariaExpanded === "true") return close_result(button);
    return open_result(button, parts, ranked);
  });
  if (!ranked.flags.includes("unknown_document")) add_facts(ranked.id, title, about, thumb);
  return element("li", {}, button, parts);
}

function show_more() {
  const {documents, count} = shown;
  const next = documents.slice(count, count + kPage);
  place("results").append(...next.map((ranked) => result(ranked, documents[0].score)));
  shown.count += next.length;
  const rest = documents.length - shown.count;
  place("more").hidden = rest === 0;
  place("more").textContent = `Show ${Math.min(rest, kPage)} more of ${rest}`;
}

function show_ranking(request, answer) {
  const documents = [...answer.documents].sort((a, b) => a.rank - b.rank);
  shown = {request, documents, count: 0};
  place("results").replaceChildren();
  place("results").classList.add("no-images");
  show_more();
}

function clear_ranking() {
  shown = {request: null, documents: [], count: 0};
  place("results").replaceChildren();
  place("more").hidden = true;
}

// Moves the focus `by` results; up from the first one is the query.
function move_focus(by) {
  const all = buttons();
  const next = all.indexOf(document.activeElement.closest("#results > li")?.firstChild) + by;
  if (next < 0) return place("query").focus();
  all[Math.min(next, all.length - 1)]?.focus();
}

function on_key(event) {
  const inside = document.activeElement.closest("#results > li");
  const is_typing = document.activeElement.matches("input, textarea, select");
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.key === "/" && !is_typing) {
    event.preventDefault();
    place("query").select();
    place("query").focus();
  } else if (event.key === "ArrowDown" && (inside || document.activeElement === place("query"))) {
    event.preventDefault();
    move_focus(1);
  } else if (event.key === "ArrowUp" && inside) {
    event.preventDefault();
    move_focus(-1);
  } else if (event.key === "Escape" && inside) {
    close_result(inside.firstChild);
    inside.firstChild.focus();
  }
}
