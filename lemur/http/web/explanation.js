// A score taken apart: cosine with the query, like documents of the history, what groups of inputs
// add.
"use strict";

function groups_chart(groups) {
  const entries = Object.entries(groups).sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
  const most = Math.max(...entries.map(([, value]) => Math.abs(value)), 1e-9);
  return element("div", {className: "groups"}, ...entries.map(([name, value]) => {
    const bar = element("span", {className: value < 0 ? "down" : "up"});
    bar.style.width = `${50 * Math.abs(value) / most}%`;
    return element(
        "div", {className: "group"}, element("span", {title: name}, name),
        element("span", {className: "diverging"}, bar), element("span", {}, signed(value, 3)));
  }));
}

function neighbours(nearest) {
  return nearest.map(({document: id, cosine}) => {
    const title = element("span", {}, id);
    facts_of(id).then((facts) => {
      if (title_of(facts) !== "") title.textContent = `${title_of(facts)} · ${id}`;
    });
    return element("div", {className: "neighbour"}, element("span", {}, fixed(cosine, 3)), title);
  });
}

function texts_list(facts) {
  const pairs =
      Object.entries({...facts?.texts, ...facts?.features}).filter(([, text]) => text !== "");
  if (pairs.length === 0) return null;
  const list = element("dl", {className: "texts"});
  fill_list(list, pairs);
  return element("div", {}, element("h3", {}, "What the model reads"), list);
}

const other_scores = (scores) =>
    Object.entries(scores).map(([label, score]) => `${label} ${probability(score)}`).join(", ");

// Fills `parts` with the explanation of a document as the server ranked it.
function show_explanation(parts, ranked, facts, has_query) {
  const {query_cosine, nearest, groups} = ranked.parts;
  const cosine = is_number(query_cosine) ? fixed(query_cosine, 3) :
      has_query                          ? "the model compares none" :
                                           "there is no query";
  const similarity = element(
      "div", {}, element("h3", {}, "Cosine with the query"),
      element("p", {className: "cosine"}, cosine),
      element("h3", {className: "below"}, "Nearest documents of the history"),
      ...(nearest.length > 0 ? neighbours(nearest) : [element("p", {className: "note"}, "none")]));
  const change = element(
      "div", {},
      element("h3", {}, "What each group of inputs adds (logit, against the group masked)"),
      Object.keys(groups).length > 0 ? groups_chart(groups) :
                                       element("p", {className: "note"}, "no group"),
      element("p", {className: "note"}, other_scores(ranked.scores)));
  parts.replaceChildren(...[change, similarity, texts_list(facts)].filter((part) => part !== null));
}
