// Looks at a report in a browser, as tests/report_browser.py made it.
//   node tests/report_browser.mjs PAGE.html EMPTY.html SCREENSHOTS
// PAGE: two runs, the second named kHostile, and benches. EMPTY: one run that has done nothing yet.
import {readFileSync} from "node:fs";
import {join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

import {check, coloured_pixels, with_browser, with_page} from "./browser.mjs";

const kLines = [
  "--ink", ...[0, 1].map((i) => `--series-${i}`), ...[0, 1, 2, 3, 4, 5].map((i) => `--part-${i}`)
];
const kFigures =
    10 + 6 + 7 + 3 + 3 + 5;  // quality, representations, bank, cost, calibration, benches
const kHostile = "<img src=x onerror=alert(1)>";
const [page_file, empty_file, screenshots] = process.argv.slice(2);
const url_of = (file) => pathToFileURL(resolve(file)).href;

async function check_plots(page) {
  const plots = await coloured_pixels(page, kLines);
  const figures = await page.locator("figure").count();
  check(figures === kFigures, `${figures} figures, expected ${kFigures}`);
  check(plots.length === figures, `${plots.length} plots in ${figures} figures`);
  check(plots.every((drawn) => drawn > 50), `pixels of lines in the plots: ${plots}`);
}

const note_of = async (page, title) =>
    (await page.locator("#bench figure", {hasText: title}).locator(".note").textContent())
        .replaceAll("\u00a0", " ");

async function check_text(page) {
  check((await page.locator("img").count()) === 0, "a name of a run became an element");
  check(
      (await page.locator("#header td", {hasText: kHostile}).count()) === 1,
      "the run's name is not shown as text");
  for (const id
           of ["quality", "representation", "bank", "cost", "evaluation", "baselines",
               "calibration", "slices", "ablation", "bench", "configuration", "environment"]) {
    check((await page.locator(`#${id} h2`).count()) === 1, `no section ${id}`);
    check(
        (await page.locator(`#${id} .missing`).count()) === 0,
        `section ${id} says that something is missing`);
  }
  const scaling = await note_of(page, "against the batch");
  check(
      scaling ===
          "From 64 to 1024 the cost per sample goes from 4 ms to 2 ms (log-log slope -0.25, -0.16 at the end). " +
              "What shrinks most: optimisers, with 75 % of the gain: a step's fixed work is shared by more samples.",
      scaling);
  const history = await note_of(page, "against the length of histories");
  check(
      history ===
          "From 100 to 10 k the cost per sample goes from 1 ms to 10 ms (log-log slope 0.50). What limits it: ranker, losses, with 80 % of the growth.",
      history);
  const flat = await note_of(page, "against the vocabulary");
  check(flat.endsWith("it does not depend on this size."), flat);
  const documents = await note_of(page, "against the documents");
  check(documents.includes("It is least at 10 k: 500 µs. Most of the"), documents);
  const bank = await note_of(page, "Find and gather, width 128");
  check(
      bank ===
          "From 1000 to 10 M the cost per id goes from 10 ns to 120 ns (log-log slope 0.27, 0.60 at the end). " +
              "Most of the growth lies between 1 M and 10 M. At 10 M it moves 6.42 GB/s, 5 % of what memory gives when read in sequence. " +
              "What limits it: waiting for memory, not its bandwidth.",
      bank);
  const arm = page.locator("#ablation tbody tr", {hasText: kHostile});
  const figures = (await arm.locator("td").evaluateAll(
      (cells) => cells.map((cell) => cell.lastChild.textContent.replaceAll("\u00a0", " "))));
  check(
      figures.join(" | ") ===
          `${kHostile} | 0.7100 ± 0.0100 | +1.43 % ± 0.20 | +1.44 % | 0.7100 ± 0.0100 | +1.43 % ± 0.20 | – | 92 M | 1.67 T | 2.44 T | 3.2 M | 100 | 30.0 min | 0.001`,
      figures.join(" | "));
  const methods = page.locator("#baselines tbody tr");
  const names = await methods.evaluateAll((rows) => rows.map((row) => row.firstChild.textContent));
  check(
      names[0] === "popularity" && names.at(-3) === "gradient-boosted trees" &&
          names.at(-2) === "lemur" && names.at(-1) === kHostile,
      `one table of both runs, whose baselines are the same: ${names.join()}`);
  const reached =
      await methods.locator("td:nth-child(2)")
          .evaluateAll((cells) => cells.map((cell) => Number(cell.lastChild.textContent)));
  check(reached.every((auc) => auc > 0 && auc < 1), `AUC of methods and runs: ${reached}`);
  const executed = page.locator("#cost tr", {hasText: "Operations executed"}).locator("td");
  check(!(await executed.allTextContents()).includes("–"), "no operations were counted");
  const popularity = await page.locator("#bank tbody tr td:first-child").allTextContents();
  check(
      ["1", "10"].every((name) => popularity.includes(name)), `deciles of the bank: ${popularity}`);
  const key = page.locator("#configuration tr", {hasText: "model.ranker"});
  check(
      (await key.locator("td").allTextContents()).join() === "model.ranker,\"rankmixer\",\"mlp\"",
      await key.textContent());
  check(
      (await page.locator("#configuration tr", {hasText: "train.epochs"}).count()) === 0,
      "a key that does not differ is listed");
}

// The canvas changes with every choice: what is hidden is not drawn, hours are not steps.
async function check_choices(page) {
  const plot = page.locator("#quality canvas").first();
  const look = () => plot.evaluate((canvas) => canvas.toDataURL());
  let before = await look();
  for (const choice of ["time", "smooth", kHostile]) {
    await page.locator("#controls label", {hasText: choice}).click();
    const after = await look();
    check(after !== before, `'${choice}' changes nothing`);
    before = after;
  }
  await page.locator("#controls label", {hasText: kHostile}).click();
}

async function check_print(page) {
  const light = await page.evaluate(() => {
    dispatchEvent(new Event("beforeprint"));
    return getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
  });
  check(light === "#ffffff", `printed on ${light}`);
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  await page.pdf({
    path: join(screenshots, "report.pdf"),
    format: "A4",
    preferCSSPageSize: true,
    printBackground: true
  });
}

check(
    !readFileSync(page_file, "utf8").includes(kHostile),
    "a name of a run stands in the page unescaped");
await with_browser(async (browser) => {
  const url = url_of(page_file);
  for (const [width, dark] of [[1280, false], [390, false], [360, true]]) {
    await with_page(browser, {url, width, dark}, async (page) => {
      await check_plots(page);
      await check_text(page);
      await check_choices(page);
      await check_plots(page);
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot(
          {path: join(screenshots, `report-${width}${dark ? "-dark" : ""}.png`), fullPage: true});
      if (dark) await check_print(page);
    });
  }
  await with_page(browser, {url: url_of(empty_file), width: 390}, async (page) => {
    check((await page.locator("canvas").count()) === 0, "plots of nothing");
    for (const id
             of ["quality", "representation", "bank", "cost", "evaluation", "baselines",
                 "calibration", "slices", "bench"])
      check(
          (await page.locator(`#${id} .missing`).count()) >= 1,
          `section ${id} does not say what is missing`);
    await page.screenshot({path: join(screenshots, "empty.png"), fullPage: true});
  });
});
console.log(
    "report: 1280, 390 and 360 pixels, dark and printed: all plots drawn, nothing fetched, nothing wider than the window");
