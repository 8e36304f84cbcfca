/**
 * So many browsers, each with one page: `watched_browsers.ts COUNT`. For each line of standard input, an address or
 * `about:blank`, all of them go there; once they show it, a line says how many statuses the page before got, in the
 * browser that got the fewest.
 * @module
 */
import { TextLineStream } from "./graded/lines.ts";
import { TestBrowser, untilText } from "../tests/browser/browser.ts";

/** Each status replaces the whole table of replicas. */
const COUNT_NEWS = `
  globalThis.news = 0;
  new MutationObserver(() => news++).observe(document.querySelector("#replicas"), { childList: true })`;
/** A page with so many statuses is at rest: all its files are loaded and compiled. */
const RESTED = "globalThis.news >= 3";

const browsers = await Promise.all(Array.from({ length: Number(Deno.args[0]) }, () => TestBrowser.start()));
const pages = await Promise.all(browsers.map(async (browser) => (await browser.open("about:blank")).page));
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
for await (const url of lines) {
  const news = await Promise.all(pages.map(async (page) => {
    const told = Number(await page.evaluate("globalThis.news ?? 0"));
    await page.goto(url);
    if (url === "about:blank") return told;
    await untilText(page, "#posts", /\d/, 60_000);
    await page.evaluate(COUNT_NEWS);
    await page.waitForFunction(RESTED);
    return told;
  }));
  console.log(Math.min(...news));
}
await Promise.all(browsers.map((browser) => browser[Symbol.asyncDispose]()));
