// A headless Chromium for tests of pages: what it is started with, and what every page must keep
// to.
import {mkdtempSync, rmSync} from "node:fs";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import {join} from "node:path";

const {chromium} = createRequire(import.meta.url)("../third_party/playwright-core");
const kFlags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"
];

export function check(holds, what) {
  if (!holds) throw new Error(what);
}

// Calls `test(browser)` with a browser that has a profile of its own, and removes both.
export async function with_browser(test) {
  const profile = mkdtempSync(join(tmpdir(), "lemur-browser-"));
  const browser = await chromium.launchPersistentContext(
      profile, {executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: kFlags});
  try {
    await test(browser);
  } finally {
    await browser.close();
    rmSync(profile, {recursive: true, force: true});
  }
}

// Opens `url` in a window of this size and calls `test(page)`. Fails for any error, message or
// dialog of the page but messages that `expected(text)` lets pass, for a request that
// `allowed(url)` does not let pass, and for a page that is wider than the window.
export async function with_page(
    browser, {
      url,
      width,
      height = 900,
      dark = false,
      allowed = (asked) => asked === url,
      expected = () => false
    },
    test) {
  const page = await browser.newPage();
  const faults = [];
  page.on("console", (message) => {
    if (!expected(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (!allowed(request.url())) faults.push(`request: ${request.url()}`);
  });
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.setViewportSize({width, height});
  await page.emulateMedia({colorScheme: dark ? "dark" : "light"});
  await page.goto(url);
  await page.waitForTimeout(300);
  await test(page);
  const wide = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 0, `${wide} pixels wider than a window of ${width}`);
  check(faults.length === 0, faults.join("\n"));
  await page.close();
}

// Returns, for every canvas, how many of its pixels have one of these colours of the page (names of
// CSS variables): lines, not axes and grids.
export function coloured_pixels(page, names) {
  return page.evaluate((names) => {
    const style = getComputedStyle(document.documentElement);
    const colours = names.map((name) => {
      const digits = style.getPropertyValue(name).trim().slice(1);
      return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
    });
    const near = (data, at, colour) => colour.every((part, i) => Math.abs(data[at + i] - part) < 8);
    return [...document.querySelectorAll("canvas")].map((canvas) => {
      const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] > 200 && colours.some((colour) => near(data, at, colour))) ++count;
      return count;
    });
  }, names);
}
