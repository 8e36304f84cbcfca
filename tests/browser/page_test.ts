/** What the pages show to the figure: a real page over a replica whose state and time the test sets. */
import assert from "node:assert/strict";
import type { Page } from "puppeteer-core";
import { createApp } from "../../src/api/app.ts";
import { LOOK_MS, Watch } from "../../src/console/watch.ts";
import type { Readiness } from "../../src/service/readiness.ts";
import type { Vitals } from "../../src/service/service.ts";
import { FakePayments, ID } from "../api/fake_payments.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import {
  assertAccessible,
  cellsOf,
  inBrowser,
  type Shown,
  shownTime,
  TestBrowser,
  untilNews,
  untilText,
} from "./browser.ts";
import { PAIR } from "../support/pair.ts";

const START = Date.UTC(2025, 6, 1);

/** A replica that answers on a port of its own, and a browser that looks at it; disposed together. */
class Stage implements AsyncDisposable {
  readonly clock = new VirtualClock(START);
  readonly payments = new FakePayments();
  /** what differs from the fake */
  state: Partial<Readiness> = {};
  readonly watch: Watch;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(readonly browser: TestBrowser, log: "file" | "nats") {
    const { payments, clock } = this;
    const watch = this.watch = new Watch({
      ...{ self: "a", roster: PAIR, clock, log, fees: { default: 0.05, fallback: 0.15 } },
      ...{ memory: () => 0, recall: () => Promise.resolve(undefined), say() {}, late() {} },
    });
    const readiness = payments.readiness.bind(payments);
    payments.readiness = () => ({ ...readiness(), ...this.state });
    payments.facts.observe(watch);
    watch.start(payments);
    const onInvariant = (error: Error) => {
      throw error;
    };
    const app = createApp({ payments, allowPurge: false, now: () => clock.now(), onInvariant, watching: watch });
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  }

  static async set(log: "file" | "nats" = "file"): Promise<Stage> {
    return new Stage(await TestBrowser.start(), log);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The live page, once it shows the replica's state. */
  async open(): Promise<Shown> {
    const shown = await this.browser.open(`${this.url}/`);
    await untilText(shown.page, "#promise", /./);
    return shown;
  }

  /** Seconds, each with this many answered payments. */
  async answer(seconds: number, posts: number, tookMs: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      for (let post = 0; post < posts; post++) this.watch.answered("POST /payments", 202, tookMs);
      await this.clock.advance(LOOK_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser[Symbol.asyncDispose]();
    this.watch.stop();
    await this.#server.shutdown();
  }
}

Deno.test(
  "the charts go back as far as is chosen: three minutes, a quarter of an hour, an hour",
  inBrowser,
  async () => {
    await using stage = await Stage.set();
    // an hour ago, ten minutes ago, now
    await stage.answer(100, 90, 300);
    await stage.answer(2_800, 0, 0);
    await stage.answer(100, 50, 40);
    await stage.answer(500, 2, 1.5);
    await using shown = await stage.open();
    const { page, complaints } = shown;
    const told = async () => [
      await page.$eval("#posts-chart", (chart) => chart.getAttribute("aria-label")),
      await page.$eval("#latency-chart", (chart) => chart.getAttribute("aria-label")),
    ];
    const ends = (posts: number, ms: string, range: string) => [
      `Payments a second 2, at most ${posts}, in the last ${range}`,
      `Median of an answer 1.5 ms, at most ${ms} ms; p99 1.5 ms, at most ${ms} ms, in the last ${range}`,
    ];
    assert.deepEqual(await told(), ends(2, "1.5", "3 minutes"));
    await page.click("[value='900']");
    assert.deepEqual(await told(), ends(50, "40.0", "15 minutes"));
    // an arrow key reaches the next choice, as in every group of radio buttons
    await page.keyboard.press("ArrowRight");
    assert.deepEqual(await told(), ends(90, "300", "hour"));
    await untilNews(page, 1, () => stage.answer(1, 3, 1.5));
    const [posts] = await told();
    assert.equal(posts, "Payments a second 3, at most 90, in the last hour");
    assert.deepEqual(complaints, []);
  },
);

/** The state of a replica, and how the page says what a 202 means then. */
type Meaning = readonly [Partial<Readiness>, text: string, look: "" | "bad"];

async function assertMeans(stage: Stage, page: Page, means: readonly Meaning[]): Promise<void> {
  for (const [state, text, look] of means) {
    stage.state = { peers: { b: "linked" }, ...state };
    await untilNews(page, 1, () => stage.clock.advance(LOOK_MS));
    const said = await page.$eval("#promise", ({ textContent, className }) => [textContent, className]);
    assert.deepEqual(said, [text, look]);
  }
}

Deno.test("the page says what a 202 means now, and turns red where it means less", inBrowser, async () => {
  await using stage = await Stage.set();
  await using shown = await stage.open();
  const { page } = shown;
  const alone = "the log holds the payment, and it survives the death of the replica";
  const log = "the log holds the payment, and it survives the death of both replicas";
  const both = "the log and Postgres hold the payment, and it survives the loss of this machine";
  const later = "Postgres holds it moments later, and then it survives the loss of this machine";
  const away = "▲ Postgres is away: until it is back, the payment does not survive the loss of this machine";
  const other = "Postgres is away from replica a, and another one stores for all";
  const none = "without Postgres it does not survive the loss of this machine";
  const means: readonly Meaning[] = [
    [{ ack: "log", store: "none", peers: {} }, `Now a 202 means: ${alone}; ${none}.`, ""],
    [{ ack: "log", store: "none" }, `Now a 202 means: ${log}; ${none}.`, ""],
    [{ ack: "log", store: "ready" }, `Now a 202 means: ${log}; ${later}.`, ""],
    [{ ack: "log", store: "unavailable" }, `Now a 202 means: ${log}; ${away}.`, "bad"],
    [{ ack: "store", store: "ready" }, `Now a 202 means: ${both}.`, ""],
    [{ ack: "store", store: "unavailable" }, `Now a 202 means: ${both}; ${other}.`, "bad"],
    [
      { ack: "store", store: "unavailable", ready: false },
      "▲ Now replica a answers POST with 503: it takes no payments.",
      "bad",
    ],
  ];
  await assertMeans(stage, page, means);
  const [out] = await cellsOf(page, "#replicas tr.out");
  assert.deepEqual(out!.slice(0, 2), ["a, which serves this page", "▲ answers 503"]);
});

Deno.test("with the log on NATS a 202 means as much while Postgres is away", inBrowser, async () => {
  await using stage = await Stage.set("nats");
  await using shown = await stage.open();
  const nats =
    "most of the NATS servers that keep the log hold the payment, and it survives as long as most of them do";
  const both = "the log and Postgres hold the payment, and it survives the loss of this machine";
  const away = "Postgres is away from replica a";
  await assertMeans(stage, shown.page, [
    [{ ack: "log", store: "none" }, `Now a 202 means: ${nats}.`, ""],
    [{ ack: "log", store: "ready" }, `Now a 202 means: ${nats}; Postgres holds it moments later.`, ""],
    [{ ack: "log", store: "unavailable" }, `Now a 202 means: ${nats}; ${away}.`, ""],
    [{ ack: "store", store: "ready" }, `Now a 202 means: ${both}.`, ""],
    [
      { ack: "store", store: "unavailable" },
      `Now a 202 means: ${both}; ${away}, and another one stores for all.`,
      "bad",
    ],
  ]);
});

Deno.test(
  "a processor that is out is red, and so is what is wrong, on top and in the tab, with its time",
  inBrowser,
  async () => {
    await using stage = await Stage.set();
    await using shown = await stage.open();
    const { page, complaints } = shown;
    const retryAt = "2025-07-01T00:00:09.000Z";
    const { processors } = stage.payments.readiness();
    const notes = ["replica b does not answer", `the default processor gets no calls until ${retryAt} (Retry-After)`];
    const down = { ...processors.default, state: "down", retryAt } as const;
    stage.state = { peers: { b: "unreachable" }, notes, processors: { ...processors, default: down } };
    await untilNews(page, 1, () => stage.clock.advance(LOOK_MS));
    const local = "the default processor gets no calls until 2025-07-01 05:30:09.000 (Retry-After)";
    await untilText(
      page,
      "#state.bad",
      /^▲ replica b does not answer; the default processor gets no calls until .{23} \(Retry-After\)$/,
    );
    assert.equal(await page.title(), `▲ replica b does not answer; ${local} · Galo`);
    const out = await page.$$eval("article", (cards) => cards.map(({ id, className }) => [id, className]));
    assert.deepEqual(out, [["default", "out"], ["fallback", ""]]);
    await untilText(page, "#link.bad", /^▲ Replica b is unreachable, never heard\.$/);
    const outage = "Down from 2025-07-01 05:30:01.000, not up yet (0.0 ms)";
    assert.equal(await page.$eval("#default ul", ({ textContent }) => textContent), outage);
    await assertAccessible(page, "out");
    stage.state = {};
    await untilNews(page, 1, () => stage.clock.advance(4 * LOOK_MS));
    assert.equal(await page.title(), "Galo: live");
    await untilText(
      page,
      "#default:not(.out) ul",
      /^Down from 2025-07-01 05:30:01.000, until 2025-07-01 05:30:02.000 \(1.0 s\)$/,
    );
    assert.deepEqual(complaints, []);
  },
);

Deno.test(
  "a linked peer that sends no status, as one with another page version does, is not called dead",
  inBrowser,
  async () => {
    await using stage = await Stage.set();
    await using shown = await stage.open();
    const { page } = shown;
    const links = { all: [{ peer: "b", linked: true, lagMs: 0, silentMs: 40 }], tellStatus() {} };
    stage.payments.vitals = { links } as unknown as Vitals;
    stage.state = { peers: { b: "linked" } };
    await untilNews(page, 1, () => stage.clock.advance(LOOK_MS));
    const rows = await cellsOf(page, "#replicas tr");
    assert.deepEqual(rows.map(([name, state]) => [name, state]), [
      ["a, which serves this page", "✓ answers"],
      ["b", "no figures"],
    ]);
    assert.equal(
      await page.$eval("#link", ({ textContent }) => textContent),
      "Replica b is linked, heard 40.0 ms ago.",
    );
  },
);

Deno.test(
  "a payment is found by its id, and followed until it is settled; times are the reader's",
  inBrowser,
  async () => {
    await using stage = await Stage.set();
    const { facts } = stage.payments;
    facts.accept(ID, 123_450, START + 1_234);
    await using shown = await stage.open();
    const { page, complaints } = shown;
    await page.type("#id", ` ${ID.toUpperCase()} `);
    await page.keyboard.press("Enter");
    await untilText(page, "#found .lead", /^1,234\.50, accepted\. Waiting for its first attempt for 0 ms: /);
    assert.deepEqual(await cellsOf(page, "#found tbody tr"), [
      ["2025-07-01 05:30:01.234", "accepted", "", "", "a", "no processor is chosen yet"],
    ]);
    facts.dispatch(ID, "default", "probe", START + 2_000);
    facts.settle(ID, "booked", START + 2_345);
    await stage.clock.advance(LOOK_MS);
    await untilText(
      page,
      "#found .lead",
      /^1,234\.50, settled\. Booked at the default processor: the processor took it\.$/,
    );
    assert.deepEqual((await cellsOf(page, "#found tbody tr")).map((cells) => cells.slice(0, 4)), [
      ["2025-07-01 05:30:01.234", "accepted", "", ""],
      ["2025-07-01 05:30:02.000", "dispatched", "1", "default"],
      ["2025-07-01 05:30:02.345", "settled", "1", "default"],
    ]);
    assert.equal(await page.$(".follows"), null);
    const found = await page.$eval("#found a", (link) => link.getAttribute("href"));
    assert.equal(found, `/payments/${ID}`);
    assert.deepEqual(complaints, []);
  },
);

Deno.test("a payment is followed on after a question that was not answered", inBrowser, async () => {
  await using stage = await Stage.set();
  const { facts } = stage.payments;
  facts.accept(ID, 1990, START);
  await using shown = await stage.open();
  const { page, complaints } = shown;
  await page.type("#id", ID);
  await page.keyboard.press("Enter");
  await untilText(page, "#found .lead", /^19\.90, accepted\./);
  stage.payments.isCutOff = true;
  await stage.clock.advance(LOOK_MS);
  await untilText(page, "#found .bad", /^▲ What other replicas have recorded could not be read in time$/);
  stage.payments.isCutOff = false;
  facts.dispatch(ID, "default", "probe", START);
  facts.settle(ID, "booked", START);
  await stage.clock.advance(LOOK_MS);
  await untilText(page, "#found .lead", /^19\.90, settled\./);
  assert.equal(await page.$(".follows, #found .bad"), null);
  // the browser itself logs every 503
  assert.deepEqual(complaints, [
    "Failed to load resource: the server responded with a status of 503 (Service Unavailable)",
  ]);
});

Deno.test("the page says so where a text is no id, or the id of no payment", inBrowser, async () => {
  await using stage = await Stage.set();
  await using shown = await stage.open();
  const { page, complaints } = shown;
  await page.type("#id", "4a7901b8");
  await page.keyboard.press("Enter");
  assert.equal(await page.$eval("#id", (field) => field.validity.patternMismatch), true);
  assert.equal(await page.$eval("#found", (found) => found.hidden), true);
  await page.type("#id", ID.slice(8));
  await page.keyboard.press("Enter");
  await untilText(page, "#found", /▲ No payment with this id is known here$/);
  assert.equal(await page.$eval("#said", ({ textContent }) => textContent), "▲ No payment with this id is known here");
  assert.equal(await page.$(".follows"), null);
  // the browser itself logs every 404
  assert.deepEqual(complaints, ["Failed to load resource: the server responded with a status of 404 (Not Found)"]);
});

Deno.test("the summary of a window has both its ends, in the reader's time", inBrowser, async () => {
  await using stage = await Stage.set();
  const { payments } = stage;
  for (const [i, ms] of [0, 1_000, 2_000, 2_001].entries()) payments.settle(ID.slice(0, -1) + i, 1_000 + i, START + ms);
  await using shown = await stage.open();
  const { page, complaints } = shown;
  const add = async (from: string, to: string) => {
    for (const [name, text] of [["from", from], ["to", to]]) {
      await page.$eval(`[name=${name}]`, (field, text) => void (field.value = text), text);
    }
    await page.click("#summary button");
  };
  const shows = async (caption: string, ...rows: string[][]) => {
    await untilText(page, "#totals caption", new RegExp(`^${caption}$`));
    assert.deepEqual(await cellsOf(page, "#totals tbody tr"), rows);
  };
  const nothing = ["fallback", "0", "0.00", "0.0 %"];
  await add("", "");
  await shows("From the beginning to now", ["default", "4", "40.06", "100.0 %"], nothing, [
    "both",
    "4",
    "40.06",
    "100.0 %",
  ]);
  await add("2025-07-01 05:30:01", "2025-07-01 05:30:02");
  await shows(
    "From 2025-07-01 05:30:01.000 to 2025-07-01 05:30:02.000",
    ["default", "2", "20.03", "100.0 %"],
    nothing,
    ["both", "2", "20.03", "100.0 %"],
  );
  await add("2025-07-02", "");
  await shows(
    "From 2025-07-02 00:00:00.000 to now",
    ["default", "0", "0.00", "–"],
    ["fallback", "0", "0.00", "–"],
    ["both", "0", "0.00", "–"],
  );
  await add("2025-07-01 05:30:02", "2025-07-01 05:30:01");
  await untilText(page, "#totals", /^▲ From is after to$/);
  await add("yesterday", "");
  await untilText(page, "#totals", /^▲ yesterday is no time: write it as \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
  await stage.answer(100, 1, 1);
  await untilText(page, "#posts", /^1$/);
  await page.click("#as-charts");
  const [from, to] = [START + 1_000, START + 100_000].map(shownTime);
  await untilText(page, "#totals caption", new RegExp(`^From ${from} to ${to}$`));
  assert.deepEqual(payments.windows.at(-1), [START + 1_000, START + 100_000]);
  assert.deepEqual(complaints, []);
});

Deno.test("a payment's page without scripts is its JSON", inBrowser, async () => {
  await using stage = await Stage.set();
  stage.payments.facts.accept(ID, 1990, START);
  await using shown = await stage.browser.open("about:blank");
  const { page } = shown;
  await page.setJavaScriptEnabled(false);
  await page.goto(`${stage.url}/payments/${ID}`);
  const text = await page.$eval("pre", ({ innerText }) => innerText);
  assert.equal(JSON.parse(text).correlationId, ID);
});
