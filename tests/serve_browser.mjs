// Uses the page of a server in a browser, as tests/serve_browser.py started it.
//   node tests/serve_browser.mjs URL URL_WITH_TOKEN URL_OF_CHANGING URL_OF_SHORT TOKEN CHANGING
//   SCREENSHOTS
// URL_OF_CHANGING follows the run CHANGING; URL_OF_SHORT has a queue of one, which waits 2 s. One
// document has the ID kHostile, and some have it in their titles.
import {cpSync, readdirSync, renameSync} from "node:fs";
import {join} from "node:path";

import {check, with_browser, with_page} from "./browser.mjs";

const kHostile = "<img src=x onerror=alert(1)>";
const [url, closed_url, changing_url, short_url, token, changing, screenshots] =
    process.argv.slice(2);
const own = (base) => (asked) => asked.startsWith(base);

const text_of = async (page, selector) =>
    (await page.locator(selector).textContent()).replaceAll("\u00a0", " ");

async function check_policy(page) {
  const response = await page.request.get(url);
  const policy = response.headers()["content-security-policy"] ?? "";
  for (const part
           of ["default-src 'none'", "connect-src 'self'", "img-src 'self'", "base-uri 'none'",
               "form-action 'none'", "frame-ancestors 'none'", "script-src 'sha256-"])
    check(policy.includes(part), `the policy lacks ${part}: ${policy}`);
  check(!policy.includes("unsafe"), policy);
  check((await page.request.get(`${url}favicon.ico`)).status() === 204, "no empty favicon");
  const refused = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.was_run = true";
    document.body.append(script);
    return window.was_run === undefined;
  });
  check(refused, "a foreign script runs");
}

// Returns how many results show an image, and not one colour only.
const drawn_images = (page) => page.evaluate(() => {
  const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  return [...document.querySelectorAll("canvas.thumb")]
      .filter((canvas) => {
        if (canvas.width < 8) return false;
        copy.drawImage(canvas, 0, 0);
        const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, at) => at % 4 < 3 && value !== data[at % 4]);
      })
      .length;
});

// Waits until `holds()`, for five seconds at most.
async function eventually(holds, what) {
  for (let tries = 0; tries < 50; ++tries) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`never: ${what}`);
}

async function ranked(page) {
  await page.locator("#message", {hasText: "best first"}).waitFor();
}

async function check_ranking(page) {
  const scores = (await page.locator(".score > :last-child").allTextContents()).map(Number);
  check(scores.length === 20, `${scores.length} results`);
  check(scores.every((score, i) => score > 0 && score <= (scores[i - 1] ?? 1)), `scores ${scores}`);
  await eventually(async () => (await drawn_images(page)) >= 10, "ten images are drawn");
  const is_title = (title) => title.includes(" ");
  const titles = () => page.locator(".title").allTextContents();
  await eventually(async () => (await titles()).every(is_title), "every result has its title");
}

async function check_explanation(page) {
  const parts = page.locator(".parts:visible");
  await parts.locator("h3").first().waitFor();
  check((await parts.locator(".group").count()) >= 3, "fewer than three groups of inputs");
  const cosine = Number((await text_of(page, ".parts:visible .cosine")).replace("\u2212", "-"));
  check(Math.abs(cosine) <= 1, `the cosine with the query is ${cosine}`);
  check((await parts.locator(".neighbour").count()) >= 1, "no neighbours in the history");
}

async function check_side(page) {
  await eventually(async () => (await page.locator("#history li").count()) >= 2, "a history");
  for (const [id, words] of [
           ["#model", "bank covers"], ["#model", "step-"], ["#answer", "p99 of 1"]])
    check((await text_of(page, id)).includes(words), `${id} does not say '${words}'`);
}

async function use_mouse(page) {
  const user = await page.locator("#users option").first().getAttribute("value");
  await page.locator("#suggestions button").first().waitFor();
  const query = await page.locator("#suggestions button").first().textContent();
  await page.locator("#query").fill(query);
  await page.locator("#user").fill(user);
  await page.getByRole("button", {name: "Rank"}).click();
  await ranked(page);
  await check_ranking(page);
  await page.locator(".result").nth(1).click();
  await check_explanation(page);
  await check_side(page);
}

async function use_keys(page) {
  const focused = () =>
      page.evaluate(() => document.activeElement.id || document.activeElement.className);
  await page.keyboard.press("/");
  check((await focused()) === "query", "/ does not go to the query");
  await page.keyboard.type("a/b");
  check((await page.locator("#query").inputValue()) === "a/b", "a query cannot hold /");
  await page.keyboard.press("Enter");
  await ranked(page);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  check((await focused()) === "result", `arrows lead to ${await focused()}`);
  await page.keyboard.press("Enter");
  const opened = page.locator(".result").nth(1);
  check((await opened.getAttribute("aria-expanded")) === "true", "Enter opens nothing");
  await page.locator(".parts:visible h3").first().waitFor();
  await page.keyboard.press("Escape");
  check((await opened.getAttribute("aria-expanded")) === "false", "Escape closes nothing");
  check((await page.locator(".parts:visible").count()) === 0, "what was closed is still shown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  check((await focused()) === "query", "up from the first result does not go to the query");
}

async function use_ids(page) {
  await page.locator("#source").selectOption("pasted");
  await page.getByRole("button", {name: "Rank"}).click();
  check((await text_of(page, "#message")).includes("no IDs"), "nothing is said without IDs");
  await page.locator("#pasted").fill(`${kHostile}\n5\nnobody's "document" <b>\n`);
  await page.getByRole("button", {name: "Rank"}).click();
  await ranked(page);
  check((await page.locator(".result").count()) === 3, "not three results");
  const shows = (selector, hasText, count) => eventually(
      async () => (await page.locator(selector, {hasText}).count()) === count,
      `${count} of ${selector} show ${hasText}`);
  await shows(".about", kHostile, 1);
  await shows(".title", "< img src = x onerror = alert", 2);
  check((await page.locator("img, b").count()) === 0, "data became an element");
  const unknown = page.locator(".result", {hasText: "nobody's"});
  check((await unknown.textContent()).includes("not in the store"), await unknown.textContent());
}

async function use_faults(page) {
  const answers = [
    [429, {"Retry-After": "7"}, "overloaded", "come back in 7 s"],
    [503, {"Retry-After": "1"}, "not_ready", "No model answers yet"],
    [422, {}, "invalid", `refuses: ${kHostile}`]
  ];
  for (const [status, headers, code, words] of answers) {
    await page.route("**/v1/rank", (route) => route.fulfill({
      status,
      headers,
      contentType: "application/json",
      body: JSON.stringify({error: {code, message: kHostile}})
    }));
    await page.getByRole("button", {name: "Rank"}).click();
    await page.locator("#message.fault", {hasText: words}).waitFor({timeout: 5000});
    await page.unroute("**/v1/rank");
  }
  await page.route("**/v1/rank", (route) => route.abort());
  await page.getByRole("button", {name: "Rank"}).click();
  await page.locator("#message.fault", {hasText: "cannot be reached"}).waitFor({timeout: 5000});
  check((await page.locator(".result").count()) === 0, "an old ranking stands under the fault");
}

// Publishes a copy of the newest checkpoint of CHANGING; returns its name.
function publish() {
  const newest = readdirSync(changing).filter((name) => /^step-\d+$/.test(name)).sort().at(-1);
  const next = `step-${String(Number(newest.slice(5)) + 1).padStart(6, "0")}`;
  cpSync(join(changing, newest), join(changing, `${next}.tmp-copy`), {recursive: true});
  renameSync(join(changing, `${next}.tmp-copy`), join(changing, next));
  return next;
}

async function use_while_models_change(page) {
  const rank = async () => {
    await page.getByRole("button", {name: "Rank"}).click();
    await ranked(page);
    check((await page.locator(".fault").count()) === 0, await text_of(page, "#message"));
  };
  await page.locator("#users option").first().waitFor({state: "attached"});
  await rank();
  for (let swaps = 0; swaps < 3; ++swaps) {
    const next = publish();
    await eventually(async () => {
      await rank();
      return (await text_of(page, "#model-line")).endsWith(next);
    }, `the page shows ${next}`);
    check((await text_of(page, "#model")).includes(next), "the side does not name the version");
  }
  await check_ranking(page);
  await page.locator(".result").first().click();
  await page.locator(".parts:visible .group").first().waitFor();
}

async function use_full_queue(page) {
  await page.locator("#users option").first().waitFor({state: "attached"});
  const first = fetch(`${short_url}v1/rank`, {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: "{\"documents\": [\"5\"], \"deadline_ms\": 60000}"
  });
  const waiting = async () => (await (await fetch(`${short_url}v1/status`)).json()).queue;
  await eventually(async () => (await waiting()) === 1, "the first request waits");
  await page.getByRole("button", {name: "Rank"}).click();
  await page.locator("#message.fault", {hasText: "It asks to come back in 1 s"}).waitFor();
  check((await first).status === 200, "the request before is not answered");
  await page.getByRole("button", {name: "Rank"}).click();
  await ranked(page);
  check((await page.locator(".fault").count()) === 0, await text_of(page, "#message"));
}

async function use_token(page) {
  await page.locator("#token:focus").waitFor();
  check((await page.locator("#users option").count()) === 0, "data before the token");
  await page.keyboard.type("a-token-that-is-wrong");
  await page.keyboard.press("Enter");
  await page.locator("#message", {hasText: "does not know this token"}).waitFor();
  await page.locator("#token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator("#token-form").waitFor({state: "hidden"});
  await page.getByRole("button", {name: "Rank"}).click();
  await ranked(page);
  await check_ranking(page);
  const kept = await page.evaluate(
      () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie]));
  check(kept === "[{},{},\"\"]", `the page keeps ${kept}`);
}

await with_browser(async (browser) => {
  for (const [width, dark] of [[1280, false], [390, false], [360, true]]) {
    await with_page(browser, {url, width, dark, allowed: own(url)}, async (page) => {
      const shot = (name) =>
          page.screenshot({path: join(screenshots, `${name}-${width}.png`), fullPage: true});
      await page.locator("#users option").first().waitFor({state: "attached"});
      await shot("begin");
      await use_mouse(page);
      await shot("ranking");
      await page.reload();
      await page.locator("#users option").first().waitFor({state: "attached"});
      await use_keys(page);
      await use_ids(page);
      await shot("ids");
    });
  }
  const is_status = (text) => text.startsWith("Failed to load resource");
  await with_page(
      browser, {url, width: 390, allowed: own(url), expected: is_status}, async (page) => {
        await use_faults(page);
        await page.screenshot({path: join(screenshots, "fault-390.png")});
      });
  await with_page(
      browser, {url: changing_url, width: 1280, allowed: own(changing_url)},
      use_while_models_change);
  await with_page(
      browser, {url: short_url, width: 390, allowed: own(short_url), expected: is_status},
      use_full_queue);
  await with_page(
      browser, {url: closed_url, width: 390, allowed: own(closed_url), expected: is_status},
      use_token);
  await with_page(
      browser, {
        url,
        width: 390,
        allowed: own(url),
        expected: (text) => text.includes("Content Security Policy")
      },
      check_policy);
});
console.log(
    "serve: 1280, 390 and 360 pixels: mouse, keys, hostile IDs and titles, faults, models that change, a full queue, token and policy hold");
