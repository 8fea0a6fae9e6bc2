// Asks the server: one way in and out for all of the page, its token, and what went wrong in words.
"use strict";

// Of this page only: it is written nowhere.
let token = "";

// What the server refused, or that it could not be asked.
class Refusal extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

function words_of(status, error, retry_after) {
  const message = error?.message ?? "";
  if (status === 401)
    return token === "" ? "A token is needed." : "The server does not know this token.";
  if (status === 429)
    return `The server is busy. It asks to come back in ${retry_after ?? "a few"} s.`;
  if (status === 503 && error?.code === "draining") return "The server is about to stop.";
  if (status === 503) return "No model answers yet. Try again in a moment.";
  if (status === 504) return "The server was too busy to answer in time. Try again.";
  const field = error?.field ? ` (${error.field})` : "";
  return `The server refuses: ${message || `status ${status}`}${field}`;
}

// Returns the response. Throws Refusal; status 0: the server did not answer at all.
async function ask(path, {body, signal} = {}) {
  const headers = token === "" ? {} : {Authorization: `Bearer ${token}`};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(
        path,
        {method: body === undefined ? "GET" : "POST", headers, body: JSON.stringify(body), signal});
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Refusal(0, "The server cannot be reached.");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  if (response.status === 401) ask_for_token();
  throw new Refusal(
      response.status,
      words_of(response.status, answer?.error, response.headers.get("Retry-After")));
}

const ask_json = async (path, options) => (await ask(path, options)).json();

// Shows the field for the token, and nothing else that needs one.
function ask_for_token() {
  if (!place("token-form").hidden) return;
  place("token-form").hidden = false;
  place("token").focus();
}

const known_facts = new Map();

// Returns what the server knows of a document, asked for once; null where it knows nothing.
function facts_of(id) {
  if (!known_facts.has(id)) {
    const asked = ask_json(`/v1/documents/${encodeURIComponent(id)}`).catch(() => {
      known_facts.delete(id);
      return null;
    });
    known_facts.set(id, asked);
  }
  return known_facts.get(id);
}

const title_of = (facts) => Object.values(facts?.texts ?? {})[0] ?? "";

// Draws a document's image, which is fetched so that the token can go along.
async function draw_image(canvas, id) {
  const response = await ask(`/v1/documents/${encodeURIComponent(id)}/image`);
  const bitmap = await createImageBitmap(await response.blob());
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}
