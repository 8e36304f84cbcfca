/** Shows the live page in so many browsers until standard input ends: `watched_browsers.ts URL COUNT`. @module */
import { TestBrowser, untilText } from "../tests/browser/browser.ts";

const [url, count] = Deno.args;
const browsers = await Promise.all(Array.from({ length: Number(count) }, () => TestBrowser.start()));
await Promise.all(browsers.map(async (browser) => {
  const { page } = await browser.open(`${url}/`);
  await untilText(page, "#posts", /\d/, 60_000);
}));
console.log("shown");
for await (const _ of Deno.stdin.readable);
await Promise.all(browsers.map((browser) => browser[Symbol.asyncDispose]()));
