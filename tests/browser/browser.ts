/** Debian's Chromium, headless, for tests of the pages. @module */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import type { Browser, Page } from "puppeteer-core";
import { CHROMIUM, needs, needsOf, NO_CHROMIUM } from "../support/permissions.ts";

const real = needs("net", "run", "read", "write", "env", "sys");

/** The time zone of the browser. */
export const ZONE = "Asia/Kolkata";

/** How a page shows a moment there: it is 5:30 ahead of UTC, all year. */
export function shownTime(at: number | string): string {
  return new Date(new Date(at).getTime() + 5.5 * 3_600_000).toISOString().slice(0, -1).replace("T", " ");
}

/** The options of a test in a browser; what the library leaves open ends with the browser. */
export const inBrowser = {
  ...needsOf(real, () => CHROMIUM !== undefined, NO_CHROMIUM),
  sanitizeOps: false,
  sanitizeResources: false,
};

/** A page as a person sees it, and what its console complained about. */
export interface Shown extends AsyncDisposable {
  readonly page: Page;
  readonly complaints: readonly string[];
}

/** A browser that finds no host but this machine; `await using` ends it. */
export class TestBrowser implements AsyncDisposable {
  private constructor(private readonly browser: Browser) {}

  static async start(): Promise<TestBrowser> {
    const args = [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ];
    // loaded only when it is needed, since it then reads the environment
    const { default: puppeteer } = await import("puppeteer-core");
    return new TestBrowser(await puppeteer.launch({ executablePath: CHROMIUM!, args }));
  }

  /** A page in a zone that is not a whole number of hours from UTC: a time of another zone would be noticed. */
  async open(url: string, width = 1_440, scheme: "light" | "dark" = "light"): Promise<Shown> {
    const page = await this.browser.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => {
      const error = request.failure()?.errorText;
      // a stream ends with the page
      if (error !== "net::ERR_ABORTED") complaints.push(`${request.url()}: ${error}`);
    });
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.emulateTimezone(ZONE);
    await page.goto(url, { waitUntil: "domcontentloaded" });
    return { page, complaints, [Symbol.asyncDispose]: () => page.close() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}

/** Waits until the text of an element is as it should be. */
export async function untilText(page: Page, selector: string, is: RegExp, timeoutMs = 20_000): Promise<string> {
  const { source } = is;
  const look = (selector: string, source: string) => {
    const text = document.querySelector(selector)?.textContent ?? "";
    return new RegExp(source, "s").test(text) && text;
  };
  const handle = await page.waitForFunction(look, { timeout: timeoutMs }, selector, source).catch(async (error) => {
    const text = await page.$eval(selector, ({ textContent }) => textContent).catch(() => "nothing");
    throw new Error(`${selector} says ${JSON.stringify(text)}, not ${is}`, { cause: error });
  });
  return String(await handle.jsonValue());
}

/** The texts of the cells of these rows. */
export function cellsOf(page: Page, rows: string): Promise<string[][]> {
  return page.$$eval(rows, (rows) => rows.map(({ cells }) => Array.from(cells as Cell[], (cell) => cell.textContent)));
}

interface Cell {
  readonly textContent: string;
}

/**
 * Waits until the live page got so many statuses, from now on or since `act` began: each replaces the whole table of
 * replicas.
 */
export async function untilNews(page: Page, times: number, act?: () => Promise<void>): Promise<void> {
  const news = await page.evaluateHandle((times) => {
    const told = Promise.withResolvers<void>();
    let news = 0;
    const observer = new MutationObserver(() => ++news === times && told.resolve());
    observer.observe(document.querySelector("#replicas"), { childList: true });
    return { told: told.promise };
  }, times);
  await act?.();
  await news.evaluate(({ told }) => told);
}

declare class MutationObserver {
  constructor(told: () => void);
  observe(what: unknown, options: { readonly childList: boolean }): void;
}

let axe: string | undefined;

/** Asserts that axe finds nothing wrong for people who use a keyboard or a screen reader, or see little contrast. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  axe ??= await Deno.readTextFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"));
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const results = await (globalThis as unknown as { axe: Axe }).axe.run();
    return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
  assert.deepEqual(violations, [], what);
}

interface Axe {
  run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
}
declare const document: { querySelector(selector: string): { textContent: string | null } | null };
