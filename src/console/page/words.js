/** What the pages share: elements, how figures and times are written, and a payment's story. */

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const byId = (id) => document.getElementById(id);
export const whole = (value) => value === null ? "–" : count.format(value);
export const ms = (value) => value === null ? "–" : `${value < 100 ? fine.format(value) : count.format(value)} ms`;
export const duration = (value) => (
  value < 1_000 ? ms(value) : value < 60_000 ? `${fine.format(value / 1_000)} s` : `${fine.format(value / 60_000)} min`
);
export const amount = (value) => money.format(value);
export const percent = (part, all) => all === 0 ? "–" : `${fine.format(100 * part / all)} %`;

/** The reader's time zone. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A moment in the reader's time zone, always as `2026-11-26 20:30:45.123`; `at` is ISO, or milliseconds since 1970. */
export function time(at) {
  const date = new Date(at);
  const local = new Date(date.getTime() - 60_000 * date.getTimezoneOffset());
  return local.toISOString().slice(0, -1).replace("T", " ");
}

/** The moment of a text in this form, with or without its end, or of a time of today; NaN if it is none. */
export function readTime(text) {
  const whole = /^\d\d:/.test(text) ? `${time(Date.now()).slice(0, 10)} ${text}` : text;
  const [, day, clock = "00:00"] = /^(\d{4}-\d\d-\d\d)(?:[ T]+(\d\d:\d\d\S*))?$/.exec(whole) ?? [];
  return Date.parse(`${day}T${clock}`);
}

/** An element with a text or other elements in it. */
export function element(tag, content = [], attributes = {}) {
  const made = document.createElement(tag);
  made.append(...[content].flat());
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** A moment as an element. */
export function timeElement(at) {
  return element("time", time(at), { datetime: new Date(at).toISOString() });
}

/** A table that scrolls if it is too wide; `columns` are the classes of their cells by name. */
export function table(caption, columns, rows) {
  const [names, classes] = [Object.keys(columns), Object.values(columns)];
  const head = names.map((name, i) => element("th", name, { scope: "col", class: classes[i] }));
  const body = rows.map((row) => element("tr", row.map((cell, i) => element("td", cell, { class: classes[i] }))));
  const parts = [element("thead", element("tr", head)), element("tbody", body)];
  const made = element("table", [element("caption", caption), ...parts]);
  return element("div", made, { class: "scroll", tabindex: "0", role: "group", "aria-label": caption });
}

const SOURCES = {
  memory: "From memory.",
  postgres: "From Postgres.",
  snapshot: "Only the state now is known: the steps before it are no longer kept, or Postgres does not answer.",
};

/** A payment's story, from the answer of `GET /payments/{id}`. */
export function storyOf({ amount: value, state, why, facts, source, complete }) {
  const columns = { When: "", What: "", Attempt: "figure", Processor: "", Replica: "", Why: "why" };
  const rows = facts.map((
    { at, state, attempt, processor, replica, why },
  ) => [timeElement(at), state, String(attempt || ""), processor ?? "", replica, why]);
  const gaps = complete || source === "snapshot" ? "" : " Some steps are missing.";
  return [
    element("p", `${amount(value)}, ${state}. ${why}`, { class: "lead" }),
    table(`What happened, oldest first; the time zone is ${ZONE}`, columns, rows),
    element("p", `${SOURCES[source]}${gaps} Programs get the same as JSON.`, { class: "quiet" }),
  ];
}
