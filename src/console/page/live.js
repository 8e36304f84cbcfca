/** The live page: listens to /live, and shows what it hears. What is heard is in src/console/watching.ts. */
"use strict";

/** How far back the outages are shown, in milliseconds. */
const OUTAGES_MS = 600_000;
/** After so long without news the page says that it is old, in milliseconds. */
const STALE_MS = 3_500;
/** How long after a refusal the page asks again, in milliseconds. */
const RETRY_MS = 2_000;
const POINTS_MAX = 180;
/** For so long the other replica may not have read the log before it is worth a word, in milliseconds. */
const LAG_MS = 1_000;
/** What a 202 promises. */
const ACKS = { log: "the log holds the payment", store: "Postgres holds the payment" };

const byId = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });
const ms = (value) => value === null ? "–" : `${value < 100 ? fine.format(value) : count.format(value)} ms`;
const whole = (value) => value === null ? "–" : count.format(value);
const amount = (cents) => money.format(cents / 100);
const highest = (of) => Math.max(0, ...points.map(of));
const seconds = (value) => value < 10_000 ? ms(value) : `${count.format(value / 1_000)} s`;

/** An element with a text, and perhaps a class. */
function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Changes a text only where it is another: a screen reader is told of changes. */
function say(id, text, className = "") {
  const where = byId(id);
  if (where.textContent !== text) where.textContent = text;
  if (where.className !== className) where.className = className;
}

// charts

let points = [];
let charts = [];

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
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      axes: [{ ...axis, space: 80, values: (_, at) => at.map((second) => clock.format(second * 1_000)) }, {
        ...axis,
        size: 48,
        values: (_, at) => at.map((value) => count.format(value)),
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
  for (const { box, plot, lines } of charts) {
    plot.setData([at, ...lines.map(({ of }) => points.map(of))]);
    const told = lines.map(({ name, of, unit }) => {
      const last = points.at(-1);
      return `${name} ${unit(last ? of(last) : null)}, at most ${unit(highest(of))}`;
    });
    box.setAttribute("aria-label", `${told.join("; ")}, in the last three minutes`);
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
  say("posts", count.format(sum(({ posts }) => posts)));
  say("median", worst(({ medianMs }) => medianMs));
  say("p99", worst(({ p99Ms }) => p99Ms));
  say("pending", count.format(live.pending));
  say("in-flight", count.format(sum((status) => status.inFlightDefault + status.inFlightFallback)));
  say("settled", count.format(live.settled));
  say("saved", amount(live.savedCents));
  say("held", live.held === null ? "" : `Replica ${live.replica} sends nothing now: ${live.heldWhy}.`, "quiet");
}

function showState(live) {
  if (live.notes.length === 0) say("state", "✓ All is well", "good");
  else say("state", `▲ ${live.notes.join("; ")}`, "bad");
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
  const row = (term, text, className) => facts.append(element("dt", term), element("dd", text, className));
  row(
    "State",
    state === "up" ? "✓ takes payments" : `▲ takes nothing${error ? `: ${error}` : ""}`,
    state === "up" ? "good" : "bad",
  );
  row("Typical answer", ms(latencyMs));
  row("In flight", count.format(inFlight));
  row("Booked", `${count.format(booked)} payments, ${amount(cents)}`);
  row("Share", all === 0 ? "–" : `${fine.format(100 * booked / all)} %`);
  const recent = outages.filter(({ to }) => to === null || to > live.at - OUTAGES_MS);
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
    const seen = now - since < OUTAGES_MS ? `since ${clock.format(since)}` : "in the last ten minutes";
    return [svg, element("p", `No outage ${seen}`, "quiet")];
  }
  const list = element("ul");
  list.setAttribute("aria-label", `Outages of the ${name} processor`);
  for (const { from, to } of outages.slice(-5).reverse()) {
    const end = to === null ? "lasts" : `until ${clock.format(to)}`;
    list.append(element("li", `Down from ${clock.format(from)}, ${end} (${seconds((to ?? now) - from)})`));
  }
  return [svg, element("p", "Outages in the last ten minutes", "quiet"), list];
}

function showReplicas(live) {
  const heard = live.silentMs === null ? "never heard" : `heard ${seconds(live.silentMs)} ago`;
  const lag = live.lagMs >= LAG_MS ? `, and has not read the log for ${seconds(live.lagMs)}` : "";
  const other = live.peer === "none"
    ? "There is one replica only."
    : `The other replica is ${live.peer}, ${heard}${lag}.`;
  say("link", `${other} A 202 means: ${ACKS[live.ack]}.`, "quiet");
  const rows = ["a", "b"].filter((name) => live.peer !== "none" || name === live.replica).map((name) => {
    const status = live.replicas[name];
    const row = element("tr");
    const head = element("th", name === live.replica ? `${name}, which tells this` : name);
    head.setAttribute("scope", "row");
    row.append(head);
    if (!status) {
      row.append(element("td", "▲ not heard", "bad"), ...Array.from({ length: 9 }, () => element("td", "–", "figure")));
      return row;
    }
    row.append(element("td", "✓ answers", "good"));
    const figure = (text) => row.append(element("td", text, "figure"));
    figure(count.format(status.posts));
    figure(count.format(status.failed));
    figure(status.posts > 0 ? ms(status.medianMs) : "–");
    figure(status.posts > 0 ? ms(status.p99Ms) : "–");
    figure(count.format(status.queue));
    figure(count.format(status.inFlightDefault + status.inFlightFallback));
    row.append(element("td", status.store === "unavailable" ? "▲ unavailable" : status.store));
    figure(status.storeLagMs > 0 ? seconds(status.storeLagMs) : "–");
    figure(`${count.format(status.memoryBytes / 2 ** 20)} MiB`);
    return row;
  });
  byId("replicas").replaceChildren(...rows);
}

function showDecisions({ decisions }) {
  const body = byId("decisions");
  if (body.contains(document.activeElement)) return;
  body.replaceChildren(...decisions.map(({ at, stage, processor, attempt, why, replica, id }) => {
    const link = element("a", id.slice(0, 8));
    link.href = `/payments/${id}`;
    link.setAttribute("aria-label", `Payment ${id}`);
    const payment = element("td");
    payment.append(link);
    const row = element("tr");
    row.append(
      element("td", clock.format(at)),
      element("td", stage === "dispatched" ? `sent, attempt ${attempt}` : `not booked, attempt ${attempt}`),
      element("td", processor),
      element("td", why, "why"),
      element("td", replica),
      payment,
    );
    return row;
  }));
}

// listening

/** undefined before the first news */
let heardAt;

function show(live) {
  heardAt = Date.now();
  if (live.point) {
    points.push(live.point);
    points = points.slice(-POINTS_MAX);
    drawCharts();
  }
  showState(live);
  showNow(live);
  showProcessor("default", live);
  showProcessor("fallback", live);
  showReplicas(live);
  showDecisions(live);
}

makeCharts();
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
    if (heardAt === undefined) say("state", "▲ No news: the replica cannot tell, or as many watch as may", "bad");
    setTimeout(listen, RETRY_MS);
  });
}

listen();
setInterval(() => {
  if (Date.now() - heardAt > STALE_MS) {
    say("state", `▲ No news since ${clock.format(heardAt)}: what is shown here is old`, "bad");
  }
}, 1_000);
