/** The live page: shows what comes from /live. src/console/watching.ts has the types. */
import {
  amount,
  byId,
  duration,
  element,
  ms,
  percent,
  readTime,
  storyOf,
  table,
  time,
  timeElement,
  whole,
  ZONE,
} from "./words.js";

/** How far back the outages are shown, in milliseconds. */
const OUTAGES_MS = 600_000;
/** How long the page may be without news before it says that it is old, in milliseconds. */
const STALE_MS = 3_500;
/** How long after a refusal the page asks again, in milliseconds. */
const RETRY_MS = 2_000;
/** The most and the least that the charts show, in milliseconds. */
const [CHARTS_MS_MAX, CHARTS_MS_MIN] = [3_600_000, 60_000];
/** How long another replica may be behind in the log before the page says so, in milliseconds. */
const LAG_MS = 1_000;

/** Changes a text only if it differs: screen readers announce changes. */
function say(id, text, className = "") {
  const where = byId(id);
  if (where.textContent !== text) where.textContent = text;
  if (where.className !== className) where.className = className;
}

/** Shows what is wrong on the page and in its tab; an empty text if all is well. */
function sayState(trouble) {
  say("state", trouble ? `▲ ${trouble}` : "✓ All is well", trouble ? "bad" : "good");
  document.title = trouble ? `▲ ${trouble} · Galo` : "Galo: live";
}

const complaint = ({ message }) => element("p", `▲ ${message}`, { class: "bad" });

/** Asks for JSON. @throws {Error} that says what is wrong, with the answer's status if there is an answer */
async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } }).catch(() => undefined);
  const body = await answer?.json().catch(() => undefined);
  if (answer?.ok) return body;
  throw Object.assign(new Error(body?.detail ?? "The replica does not answer"), { status: answer?.status });
}

// charts

let points = [];
let charts = [];

const range = () => document.querySelector("[name=range]:checked");

/** The span of the charts: as far back as is chosen, and as there is something to show. */
function chartsWindow() {
  const to = points.at(-1)?.at ?? Date.now();
  const first = Math.min(points[0]?.at ?? to, to - CHARTS_MS_MIN);
  return [Math.max(first, to - 1_000 * range().value), to];
}

/** One chart: `lines` are the values of a point, with a colour of the style sheet and a dash each. */
function chart(id, lines) {
  const box = byId(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  box.replaceChildren();
  const plot = new uPlot(
    {
      width: box.clientWidth,
      height: box.clientHeight,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: () => chartsWindow().map((at) => at / 1_000) },
        y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] },
      },
      axes: [{
        ...axis,
        size: 30,
        space: 80,
        values: (_, at) => at.map((second) => time(second * 1_000).slice(11, 19)),
      }, {
        ...axis,
        size: 48,
        values: (_, at) => at.map(whole),
      }],
      series: [
        {},
        ...lines.map(({ colour: name, dash }) => ({
          stroke: colour(name),
          width: 2,
          points: { show: false },
          ...dash && { dash },
        })),
      ],
    },
    [[], ...lines.map(() => [])],
    box,
  );
  return { box, plot, lines };
}

function drawCharts() {
  const at = points.map((point) => point.at / 1_000);
  const [from] = chartsWindow();
  const inRange = points.filter((point) => point.at >= from);
  for (const { box, plot, lines } of charts) {
    plot.setData([at, ...lines.map(({ of }) => points.map(of))]);
    const told = lines.map(({ name, of, unit }) => {
      const last = points.at(-1);
      return `${name} ${unit(last ? of(last) : null)}, at most ${unit(Math.max(0, ...inRange.map(of)))}`;
    });
    box.setAttribute("aria-label", `${told.join("; ")}, in the last ${range().parentElement.textContent.trim()}`);
  }
}

function makeCharts() {
  charts = [
    chart("posts-chart", [
      { name: "Payments a second", unit: whole, colour: "--accent", of: (point) => point.posts },
    ]),
    chart("latency-chart", [
      { name: "Median of an answer", unit: ms, colour: "--second", of: (point) => point.medianMs },
      { name: "p99", unit: ms, colour: "--accent", of: (point) => point.p99Ms, dash: [6, 4] },
    ]),
    chart("pending-chart", [
      { name: "Payments not settled yet", unit: whole, colour: "--second", of: (point) => point.pending },
    ]),
  ];
  drawCharts();
}

// figures

function showNow(live) {
  const heard = Object.values(live.replicas).filter((status) => status !== null);
  const sum = (of) => heard.reduce((all, status) => all + of(status), 0);
  const busy = heard.filter(({ posts }) => posts > 0);
  const worst = (of) => busy.length === 0 ? "–" : ms(Math.max(...busy.map(of)));
  say("posts", whole(sum(({ posts }) => posts)));
  say("median", worst(({ medianMs }) => medianMs));
  say("p99", worst(({ p99Ms }) => p99Ms));
  say("pending", whole(live.pending));
  say("in-flight", whole(sum((status) => status.inFlightDefault + status.inFlightFallback)));
  say("settled", whole(live.settled));
  say("saved", amount(live.savedCents / 100));
  say("held", live.held === null ? "" : `Replica ${live.replica} sends nothing now: ${live.heldWhy}.`, "quiet");
}

/** What a 202 promises at this moment. */
function showPromise({ replica, peers, ready, ack, log, store }) {
  if (!ready) return say("promise", `▲ Now replica ${replica} answers POST with 503: it takes no payments.`, "bad");
  const isAway = store !== "ready" && store !== "none";
  const who = ["the replica", "both replicas"][Object.keys(peers).length] ?? "all replicas";
  const later = {
    ready: "Postgres holds it moments later, and then it survives the loss of this machine",
    none: "without Postgres it does not survive the loss of this machine",
  }[store] ?? "▲ Postgres is away: until it is back, the payment does not survive the loss of this machine";
  const away = isAway ? `; Postgres is away from replica ${replica}` : "";
  const promises = {
    file: `the log holds the payment, and it survives the death of ${who}; ${later}`,
    nats: "most of the NATS servers that keep the log hold the payment, and it survives as long as most of them do" +
      (store === "ready" ? "; Postgres holds it moments later" : away),
    store: "the log and Postgres hold the payment, and it survives the loss of this machine" +
      (away && `${away}, and another one stores for all`),
  };
  const of = ack === "store" ? ack : log;
  say("promise", `Now a 202 means: ${promises[of]}.`, isAway && of !== "nats" ? "bad" : "");
}

function showProcessor(name, live) {
  const { state, latencyMs, outages, rejectsWith, error = rejectsWith && `status ${rejectsWith}` } =
    live.processors[name];
  const { count: booked, cents } = live.totals[name];
  const all = live.totals.default.count + live.totals.fallback.count;
  const inFlight = Object.values(live.replicas).reduce(
    (sum, status) => sum + (status?.[name === "default" ? "inFlightDefault" : "inFlightFallback"] ?? 0),
    0,
  );
  const facts = element("dl");
  const row = (term, text, className = "") => (
    facts.append(element("dt", term), element("dd", text, { class: className }))
  );
  const isUp = state === "up";
  row("State", isUp ? "✓ takes payments" : `▲ takes no payments${error ? `: ${error}` : ""}`, isUp ? "good" : "bad");
  row("Typical answer", ms(latencyMs));
  row("In flight", whole(inFlight));
  row("Booked", `${whole(booked)} payments, ${amount(cents / 100)}`);
  row("Share", percent(booked, all));
  const recent = outages.filter(({ to }) => to === null || to > live.at - OUTAGES_MS);
  byId(name).className = isUp ? "" : "out";
  byId(name).replaceChildren(byId(`${name}-title`), facts, ...timeline(name, recent, live));
}

/** The last ten minutes as a strip, and the same in words. */
function timeline(name, outages, { at: now, since }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "timeline");
  svg.setAttribute("viewBox", "0 0 600 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const { from, to } of outages) {
    const rect = document.createElementNS(svg.namespaceURI, "rect");
    const left = 600 * Math.max(0, 1 - (now - from) / OUTAGES_MS);
    const right = 600 * (1 - (now - (to ?? now)) / OUTAGES_MS);
    rect.setAttribute("x", String(left));
    rect.setAttribute("width", String(Math.max(1, right - left)));
    rect.setAttribute("height", "20");
    svg.append(rect);
  }
  if (outages.length === 0) {
    const seen = now - since < OUTAGES_MS ? ["since ", timeElement(since)] : "in the last ten minutes";
    return [svg, element("p", ["No outage ", ...seen], { class: "quiet" })];
  }
  const list = outages.slice(-5).reverse().map(({ from, to }) => {
    const end = to === null ? ["not up yet"] : ["until ", timeElement(to)];
    return element("li", ["Down from ", timeElement(from), ", ", ...end, ` (${duration((to ?? now) - from)})`]);
  });
  const label = { "aria-label": `Outages of the ${name} processor` };
  return [svg, element("p", "Outages in the last ten minutes", { class: "quiet" }), element("ul", list, label)];
}

function showReplicas(live) {
  const peers = Object.entries(live.peers);
  const lines = peers.map(([name, { state, silentMs, lagMs }]) => {
    const heard = silentMs === null ? "never heard" : `heard ${duration(silentMs)} ago`;
    const lag = state === "linked" && lagMs >= LAG_MS ? `, and has not read the log for ${duration(lagMs)}` : "";
    return `${state === "linked" ? "" : "▲ "}Replica ${name} is ${state}, ${heard}${lag}.`;
  });
  const isBad = peers.some(([, { state }]) => state !== "linked");
  say("link", lines.join(" ") || "There is one replica only.", isBad ? "bad" : "quiet");
  byId("replicas").replaceChildren(...Object.keys(live.replicas).map((name) => replicaRow(name, live)));
}

function replicaRow(name, { replica, replicas, peers }) {
  const status = replicas[name];
  const isThis = name === replica;
  // one that is linked without a status has a page of another version
  const silent = isThis || peers[name]?.state === "linked" ? "no figures" : "▲ not heard";
  const state = status ? status.ready ? "✓ answers" : "▲ answers 503" : silent;
  const isOut = state.startsWith("▲");
  const answered = (value) => status.posts > 0 ? ms(value) : "–";
  const figures = status
    ? [
      ...[whole(status.posts), whole(status.failed), answered(status.medianMs), answered(status.p99Ms)],
      ...[whole(status.queue), whole(status.inFlightDefault + status.inFlightFallback)],
      status.store === "unavailable" ? "▲ unavailable" : status.store,
      ...[status.storeLagMs > 0 ? duration(status.storeLagMs) : "–", `${whole(status.memoryBytes / 2 ** 20)} MiB`],
    ]
    : Array(9).fill("–");
  return element("tr", [
    element("th", isThis ? `${name}, which serves this page` : name, { scope: "row" }),
    element("td", state, { class: isOut ? "bad" : status ? "good" : "quiet" }),
    ...figures.map((figure, i) => element("td", figure, { class: i === 6 ? "" : "figure" })),
  ], { class: isOut ? "out" : "" });
}

// payments

/** Shows a payment's story, and again with each news until it is settled or not known. @returns its state in words */
async function showStory(where, id) {
  where.dataset.id = id;
  const payment = await ask(`/payments/${id}`).catch((error) => error);
  // another payment may have been opened meanwhile
  if (where.dataset.id !== id) return "";
  const isError = payment instanceof Error;
  const link = element("a", element("code", id), { href: `/payments/${id}` });
  const story = isError ? [complaint(payment)] : storyOf(payment);
  where.replaceChildren(element("p", ["Payment ", link]), ...story);
  where.classList.toggle("follows", isError ? payment.status !== 404 : payment.state !== "settled");
  return story[0].textContent;
}

function showDecisions({ decisions }) {
  const body = byId("decisions");
  if (body.matches(":hover, :focus-within") || body.querySelector("[aria-expanded=true]")) return;
  body.replaceChildren(...decisions.map(({ at, stage, processor, attempt, why, replica, id }) => {
    const open = { type: "button", class: "open", "aria-expanded": "false", "aria-label": `Payment ${id}` };
    const what = `${stage === "dispatched" ? "sent" : "not booked"}, attempt ${attempt}`;
    const cells = [element("button", id.slice(0, 8), open), timeElement(at), what, processor, replica];
    const row = element("tr", cells.map((cell) => element("td", cell)), { "data-id": id });
    row.append(element("td", why, { class: "why" }));
    return row;
  }));
}

/** Opens a row of the decisions, with the payment's story below it, or closes it. */
function toggle(row) {
  const button = row.querySelector("button");
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) return row.nextElementSibling.remove();
  const story = element("div", [], { class: "story" });
  row.after(element("tr", element("td", story, { colspan: "6" })));
  showStory(story, row.dataset.id);
}

byId("decisions").addEventListener("click", ({ target }) => {
  const row = target.closest("tr[data-id]");
  // a click that ends a selection of text does not open the row
  if (row && getSelection().isCollapsed) toggle(row);
});

byId("find").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("found").hidden = false;
  say("said", await showStory(byId("found"), byId("id").value.trim().toLowerCase()), "spoken");
});
byId("id").addEventListener("input", ({ target }) => {
  if (target.value !== "") return;
  byId("found").hidden = true;
  byId("found").dataset.id = byId("found").className = "";
});

// the summary

/** The ends of the window that is written in the form; undefined for one that is empty. @throws {Error} if one is no time */
function windowIn(form) {
  const [from, to] = ["from", "to"].map((name) => {
    const text = form.elements[name].value.trim();
    const at = text === "" ? undefined : readTime(text);
    if (Number.isNaN(at)) throw new Error(`${text} is no time: write it as ${time(Date.now())}`);
    return at;
  });
  if (from > to) throw new Error("From is after to");
  return { from, to };
}

/** The totals of a window as a table. */
async function totalsOf({ from, to }) {
  const ends = Object.entries({ from, to }).filter(([, at]) => at !== undefined);
  const query = new URLSearchParams(ends.map(([name, at]) => [name, new Date(at).toISOString()]));
  const totals = await ask(`/payments-summary?${query}`);
  const [one, other] = [totals.default, totals.fallback];
  const all = one.totalRequests + other.totalRequests;
  const row = (name, requests, value) => [name, whole(requests), amount(value), percent(requests, all)];
  return table(
    `From ${from === undefined ? "the beginning" : time(from)} to ${to === undefined ? "now" : time(to)}`,
    { Processor: "", Payments: "figure", Amount: "figure", Share: "figure" },
    [
      row("default", one.totalRequests, one.totalAmount),
      row("fallback", other.totalRequests, other.totalAmount),
      row("both", all, one.totalAmount + other.totalAmount),
    ],
  );
}

const summary = byId("summary");
summary.addEventListener("submit", async (event) => {
  event.preventDefault();
  const totals = async () => await totalsOf(windowIn(summary));
  byId("totals").replaceChildren(await totals().catch(complaint));
});
byId("as-charts").addEventListener("click", () => {
  [summary.elements.from.value, summary.elements.to.value] = chartsWindow().map(time);
  summary.requestSubmit();
});

// listening

/** when the last status came; undefined before the first */
let heardAt;

function show(live) {
  heardAt = Date.now();
  if (live.point) {
    points.push(live.point);
    points = points.filter(({ at }) => at > live.at - CHARTS_MS_MAX);
    drawCharts();
  }
  sayState(live.notes.join("; ").replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (at) => time(at)));
  showPromise(live);
  showNow(live);
  showProcessor("default", live);
  showProcessor("fallback", live);
  showReplicas(live);
  showDecisions(live);
  for (const story of document.querySelectorAll(".follows:not(:focus-within)")) showStory(story, story.dataset.id);
}

byId("zone").textContent = `Times are in the time zone ${ZONE}`;
makeCharts();
byId("range").addEventListener("change", drawCharts);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", makeCharts);
const resized = new ResizeObserver(() => {
  for (const { box, plot } of charts) {
    if (plot.width !== box.clientWidth) plot.setSize({ width: box.clientWidth, height: box.clientHeight });
  }
});
for (const { box } of charts) resized.observe(box);

/** A browser comes back by itself after a stream that broke, but not after a refusal. */
function listen() {
  const source = new EventSource("/live");
  source.addEventListener("history", ({ data }) => {
    points = JSON.parse(data);
    drawCharts();
  });
  source.addEventListener("live", ({ data }) => show(JSON.parse(data)));
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return;
    if (heardAt === undefined) sayState("No news: the replica does not answer, or too many pages are open");
    setTimeout(listen, RETRY_MS);
  });
}

listen();
setInterval(() => {
  if (Date.now() - heardAt > STALE_MS) sayState(`No news since ${time(heardAt)}: what is shown here is old`);
}, 1_000);
