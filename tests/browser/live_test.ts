/** The live page and a payment's page in a real browser, over a real cluster with a scripted outage. @module */
import assert from "node:assert/strict";
import type { Page } from "puppeteer-core";
import { WATCHERS_MAX } from "../../src/console/watch.ts";
import { Cluster, load, TestPostgres } from "../cluster/harness.ts";
import { assertAccessible, cellsOf, inBrowser, shownTime, TestBrowser, untilNews, untilText } from "./browser.ts";
import { freePort } from "../support/free_port.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { until } from "../support/until.ts";

const SCREENSHOTS = new URL("./screenshots/", import.meta.url);
/** `deno task screenshots` makes those of the README anew. */
const shoots = Deno.permissions.querySync({ name: "env" }).state === "granted" && Deno.env.has("GALO_SCREENSHOTS");

const natsInBrowser = { ...inBrowser, ignore: inBrowser.ignore || needsNats.ignore };

const LAYOUTS = [[1_440, "light"], [1_440, "dark"], [360, "light"], [360, "dark"]] as const;

/** Pays at both replicas until it is stopped. */
function paying(cluster: Cluster): () => Promise<number> {
  let stopped = false;
  let turn = 0;
  const done = load(async (id) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return await cluster.replicas[turn++ % 2]!.pay(id);
  }, { senders: 4, stop: () => stopped });
  return async () => {
    stopped = true;
    const { accepted, failed } = await done;
    assert.deepEqual(failed, []);
    return accepted.length;
  };
}

/** Whether something is drawn on every canvas. */
function drawn(page: Page): Promise<boolean> {
  return page.evaluate(() =>
    [...document.querySelectorAll("canvas")].every((canvas) =>
      canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value !== 0)
    )
  );
}

declare const document: {
  readonly documentElement: { readonly scrollWidth: number };
  readonly title: string;
  readonly activeElement: { readonly parentElement: { readonly parentElement: Row } } | null;
  querySelectorAll(selector: "canvas"): Iterable<Canvas>;
  querySelectorAll(selector: string): Iterable<Row>;
};
interface Row {
  click(): void;
  readonly dataset: { readonly id?: string };
  readonly textContent: string;
}
interface Fact {
  readonly at: string;
  readonly state: string;
  readonly attempt: number;
  readonly processor: string | null;
  readonly replica: string;
  readonly why: string;
}
interface Canvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: "2d"): { getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray } };
}

async function shoot(page: Page, name: string): Promise<void> {
  if (!shoots) return;
  await Deno.mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: new URL(`${name}.png`, SCREENSHOTS).pathname as `${string}.png`, fullPage: true });
}

Deno.test("the live page shows an outage as it happens, and its numbers are the summary's", inBrowser, async (t) => {
  await using postgres = await TestPostgres.start();
  const port = freePort();
  const env = { DATABASE_URL: postgres.url, OPS_LISTEN: `${port}`, PATIENCE_MS: "3000" };
  await using cluster = await Cluster.start({ env });
  await using browser = await TestBrowser.start();
  await using shown = await browser.open(`http://127.0.0.1:${port}/`);
  const { page } = shown;
  const stop = paying(cluster);

  await t.step("all is well before the outage", async () => {
    await untilText(page, "#state", /^✓ All is well$/);
    await untilText(page, "#posts", /^[1-9]\d*$/);
    await untilText(page, "#p99", /^[\d.,]+ ms$/);
    await untilText(page, "#default dl", /✓ takes payments/);
    await untilText(page, "#replicas", /a.*✓ answers.*ready.*b.*✓ answers.*ready/);
    await untilText(page, "#link", /^Replica [ab] is linked, heard .* ms ago/);
    await untilText(page, "#decisions", /sent, attempt 1.*default.*the default processor was up/);
  });

  const begunAt = Date.now();
  await t.step("an outage is shown when it begins, with what it does to payments", async () => {
    cluster.processors.default.setFailing(true);
    await untilText(
      page,
      "#state",
      /^▲ the default processor takes no payments: (status 500|service-health says that it fails)$/,
    );
    await untilText(page, "#default.out dl", /▲ takes no payments/);
    await page.waitForFunction(() => document.title.startsWith("▲ the default processor takes no payments: "));
    await untilText(page, "#default ul", /^Down from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}, not up yet/);
    await untilText(page, "#held", /sends nothing now: the default processor refuses payments/);
    await untilText(page, "#decisions", /fallback.*it had waited for PATIENCE_MS/);
    await untilText(page, "#pending", /^[1-9][\d,]*$/);
  });

  await t.step("the end of the outage is shown", async () => {
    cluster.processors.default.setFailing(false);
    await untilText(page, "#state", /^✓ All is well$/);
    await untilText(page, "#default:not(.out) ul", /^Down from .*, until /);
    await page.waitForFunction(() => document.title === "Galo: live");
  });

  await t.step("wide and narrow, light and dark: nothing is cut off, and axe finds nothing", async () => {
    for (const [width, scheme] of LAYOUTS) {
      await using other = await browser.open(`http://127.0.0.1:${port}/`, width, scheme);
      await untilText(other.page, "#state", /^✓ All is well$/);
      assert.ok(await other.page.evaluate(() => document.documentElement.scrollWidth) <= width, `${width}`);
      await until(() => drawn(other.page));
      // found and clicked at once: the next status replaces every row
      await other.page.evaluate(() =>
        [...document.querySelectorAll("#decisions tr")].find(({ textContent }) => textContent.includes("fallback"))!
          .click()
      );
      await untilText(other.page, ".story .lead", /^19\.90, settled\. Booked at the fallback processor: /);
      await other.page.click("#as-charts");
      await untilText(other.page, "#totals caption", /^From/);
      await assertAccessible(other.page, `${width} ${scheme}`);
      await shoot(other.page, `live-${width}-${scheme}`);
      assert.deepEqual(other.complaints, []);
    }
  });

  await t.step(
    "with the keyboard alone a decision opens where it stands, and the list stands still meanwhile",
    async () => {
      const focused = () =>
        page.evaluate(() => document.activeElement?.parentElement?.parentElement?.dataset?.id ?? "");
      for (let i = 0; i < 30 && await focused() === ""; i++) await page.keyboard.press("Tab");
      const id = await focused();
      assert.match(id, /^[0-9a-f-]{36}$/);
      await page.keyboard.press("Enter");
      await untilText(
        page,
        "#decisions .story .lead",
        /^19\.90, settled\. Booked at the (default|fallback) processor: /,
      );
      const { facts } = await (await cluster.a.request(`/payments/${id}`)).json() as { facts: Fact[] };
      assert.deepEqual(
        await cellsOf(page, ".story tbody tr"),
        facts.map((
          { at, state, attempt, processor, replica, why },
        ) => [shownTime(at), state, attempt === 0 ? "" : `${attempt}`, processor ?? "", replica, why]),
      );
      await assertAccessible(page, "a row is open");
      const list = await cellsOf(page, "#decisions tr");
      await untilNews(page, 2);
      assert.deepEqual(await cellsOf(page, "#decisions tr"), list);
      await page.keyboard.press("Enter");
      assert.equal(await page.$(".story"), null);
      assert.equal(await focused(), id);
      await page.click("h1");
      const [[first]] = list as [[string]];
      await untilText(page, "#decisions tr", new RegExp(`^(?!${first})`));
    },
  );

  const accepted = await stop();
  await cluster.untilSettled();

  await t.step("once everything is settled the numbers are the summary's and the books'", async () => {
    await untilText(page, "#settled", new RegExp(`^${accepted.toLocaleString("en")}$`));
    const summary = await cluster.b.summary();
    assert.deepEqual(summary, cluster.books());
    for (const name of ["default", "fallback"] as const) {
      const { totalRequests, totalAmount } = summary[name];
      const amount = totalAmount.toLocaleString("en", { minimumFractionDigits: 2 });
      const booked = `Booked${totalRequests.toLocaleString("en")} payments, ${amount}`;
      assert.ok((await untilText(page, `#${name} dl`, /Booked/)).includes(booked), booked);
    }
    const cents = Math.floor(Math.round(summary.default.totalAmount * 100) / 10);
    const saved = (cents / 100).toLocaleString("en", { minimumFractionDigits: 2 });
    await untilText(page, "#saved", new RegExp(`^${saved.replace(".", "\\.")}$`));
    assert.equal(await page.$eval("#pending", ({ textContent }) => textContent), "0");
    assert.ok(summary.fallback.totalRequests > 0, "the outage was long enough");
  });

  await t.step("the summary of a window is the one that the API gives", async () => {
    const [from, to] = [begunAt, Date.now()].map((at) => new Date(at).toISOString());
    await page.type("[name=from]", shownTime(from!));
    await page.type("[name=to]", shownTime(to!));
    await page.click("#summary button");
    await untilText(page, "#totals caption", new RegExp(`^From ${shownTime(from!)} to ${shownTime(to!)}$`));
    const totals = await cluster.b.summary(`?from=${from}&to=${to}`);
    assert.ok(totals.default.totalRequests < accepted, "the window is less than everything");
    const shown = (await cellsOf(page, "#totals tbody tr")).slice(0, 2).map((cells) => cells.slice(0, 3));
    assert.deepEqual(
      shown,
      (["default", "fallback"] as const).map((name) => [
        name,
        totals[name].totalRequests.toLocaleString("en"),
        totals[name].totalAmount.toLocaleString("en", { minimumFractionDigits: 2 }),
      ]),
    );
  });

  await t.step("a payment's page shows its story, in every layout", async () => {
    const id = await page.$$eval("#decisions tr", (rows) => (
      rows.find(({ textContent }) => textContent?.includes("fallback"))?.dataset.id
    ));
    for (const [width, scheme] of LAYOUTS) {
      await using story = await browser.open(`http://127.0.0.1:${port}/payments/${id}`, width, scheme);
      await untilText(story.page, ".lead", /^19\.90, settled\. Booked at the fallback processor/);
      await untilText(
        story.page,
        "tbody",
        /accepted.*dispatched.*fallback.*settled.*fallback.*it had waited for PATIENCE_MS/,
      );
      assert.ok(await story.page.evaluate(() => document.documentElement.scrollWidth) <= width, `${width}`);
      await assertAccessible(story.page, `story ${width} ${scheme}`);
      if (width === 1_440 && scheme === "light") await shoot(story.page, "payment");
      assert.deepEqual(story.complaints, []);
    }
  });
  assert.deepEqual(shown.complaints, []);
});

Deno.test("when a replica dies the page says so and goes on with the other", inBrowser, async () => {
  const port = freePort();
  await using cluster = await Cluster.start({ env: { OPS_LISTEN: `${port}` } });
  await using browser = await TestBrowser.start();
  await using shown = await browser.open(`http://127.0.0.1:${port}/`);
  await untilText(shown.page, "#replicas", /a.*✓ answers.*b.*✓ answers/);
  await cluster.b.end("SIGKILL");
  await untilText(shown.page, "#replicas", /a, which serves this page.*✓ answers.*b.*▲ not heard/);
  await untilText(shown.page, "#state.bad", /^▲ replica b is dead$/);
  await untilText(shown.page, "#link.bad", /^▲ Replica b is dead, heard .* ago\.$/);
  await untilText(shown.page, "#replicas .out th", /^b$/);
  await cluster.b.start();
  await untilText(shown.page, "#state", /^✓ All is well$/);
});

Deno.test("the page of a replica whose log is on NATS says who holds a payment", natsInBrowser, async () => {
  await using servers = await NatsServers.start({ count: 3 });
  const port = freePort();
  const env = { REPLICAS: "a", LOG: `nats://${servers.addresses}`, OPS_LISTEN: `${port}` };
  await using _cluster = await Cluster.start({ env });
  await using browser = await TestBrowser.start();
  await using shown = await browser.open(`http://127.0.0.1:${port}/`);
  const holds =
    "most of the NATS servers that keep the log hold the payment, and it survives as long as most of them do";
  await untilText(shown.page, "#promise", new RegExp(`^Now a 202 means: ${holds}\\.$`));
});

Deno.test("a page that is refused says so, and comes to life once there is room", inBrowser, async () => {
  const port = freePort();
  await using cluster = await Cluster.start();
  await cluster.a.end("SIGTERM");
  await cluster.a.start({ OPS_LISTEN: `${port}` });
  const aborted = new AbortController();
  for (let others = 1; others < WATCHERS_MAX; others++) {
    const { status, body } = await fetch(`http://127.0.0.1:${port}/live`, { signal: aborted.signal });
    assert.equal(status, 200);
    body!.pipeTo(new WritableStream()).catch(() => {});
  }
  await using browser = await TestBrowser.start();
  const first = await browser.open(`http://127.0.0.1:${port}/`);
  await untilText(first.page, "#state", /^✓ All is well$/);
  await using second = await browser.open(`http://127.0.0.1:${port}/`);
  await untilText(second.page, "#state", /^▲ No news: the replica does not answer, or too many pages are open$/);
  await first[Symbol.asyncDispose]();
  await untilText(second.page, "#state", /^✓ All is well$/);
  assert.match(
    await untilText(second.page, "#default", /No outage/),
    /No outage since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/,
  );
  aborted.abort();
});
