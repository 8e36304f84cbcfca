/**
 * A chart over the seconds of a run as HTML: lines in an SVG that stretches to any width, labels as text beside it, so
 * that they stay as large as the page's own. No script. Pure.
 * @module
 */

/** One line. `dash` sets it apart without colour. */
export interface Series {
  readonly label: string;
  /** a class of report_style.ts that gives the colour */
  readonly tone: "one" | "two" | "three";
  readonly dash: "solid" | "dashed" | "dotted";
  /** seconds since the start, and the value; undefined leaves a gap */
  readonly points: readonly (readonly [second: number, value: number | undefined])[];
}

/** A span that is shaded behind the lines. */
export interface Band {
  readonly from: number;
  readonly to: number;
  readonly kind: "slow" | "down";
  /** one letter, explained in a table on the page */
  readonly letter: string;
  readonly title: string;
}

/** A moment that is marked above the lines. */
export interface Mark {
  readonly at: number;
  readonly good: boolean;
  readonly title: string;
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly scale: "linear" | "log";
  readonly seconds: number;
  readonly series: readonly Series[];
  readonly bands: readonly Band[];
  readonly marks: readonly Mark[];
}

const WIDTH = 1_000;
const HEIGHT = 200;
const Y_TICKS = 4;
const X_TICKS_MAX = 12;
const DASHES = { solid: "", dashed: "7 4", dotted: "2 3" } as const;

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!);
}

/** The steps of an axis from 0 to at least `max`: 1, 2 or 5 times a power of ten apart. */
export function ticks(max: number, count: number): number[] {
  if (!(max > 0)) return [0, 1];
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999)! * power;
  const steps = Math.ceil(max / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** The powers of ten that hold every value: at least two. */
export function decades(min: number, max: number): number[] {
  const low = Math.floor(Math.log10(min));
  const high = Math.max(low + 1, Math.ceil(Math.log10(max)));
  return Array.from({ length: high - low + 1 }, (_, index) => Number((10 ** (low + index)).toPrecision(12)));
}

/** The whole figure. */
export function chart(spec: Chart): string {
  const values = spec.series.flatMap(({ points }) => points.map(([, value]) => value))
    .filter((value) => value !== undefined && (spec.scale === "linear" || value > 0)) as number[];
  const steps = spec.scale === "linear"
    ? ticks(Math.max(0, ...values), Y_TICKS)
    : decades(Math.min(1, ...values), Math.max(1, ...values));
  const [low, high] = [steps[0]!, steps.at(-1)!];
  const share = (value: number) =>
    spec.scale === "linear"
      ? (value - low) / (high - low)
      : (Math.log10(Math.max(value, low)) - Math.log10(low)) / (Math.log10(high) - Math.log10(low));
  const top = (value: number) => round((1 - share(value)) * 100);
  const left = (second: number) => round(Math.min(1, Math.max(0, second / spec.seconds)) * 100);
  const stride = ticks(spec.seconds, X_TICKS_MAX)[1]!;
  const seconds = Array.from({ length: Math.floor(spec.seconds / stride) + 1 }, (_, index) => index * stride);
  return `<figure>
<figcaption>${escapeHtml(spec.title)} <small>${escapeHtml(spec.unit)}</small></figcaption>
<ul class="legend">${spec.series.map(legend).join("")}</ul>
<div class="plot">
<div class="y">${steps.map((step) => `<span style="top:${top(step)}%">${label(step)}</span>`).join("")}</div>
<div class="area">
${spec.bands.map((band) => bandHtml(band, left)).join("")}
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(spec.title)}">
${steps.map((step) => line(0, WIDTH, top(step) / 100 * HEIGHT)).join("")}
${spec.series.map((series) => path(series, (x) => left(x) / 100 * WIDTH, (y) => top(y) / 100 * HEIGHT)).join("\n")}
</svg>
${spec.marks.map((mark) => markHtml(mark, left)).join("")}
${columns(spec, left)}
</div>
<div class="x">${
    seconds.map((second, index) =>
      `<span${index % 2 === 1 ? ' class="odd"' : ""} style="left:${left(second)}%">${label(second)}${
        index === 0 ? " s" : ""
      }</span>`
    ).join("")
  }</div>
</div>
</figure>`;
}

function legend({ label, tone, dash }: Series): string {
  return `<li><svg width="28" height="8" aria-hidden="true"><path class="${tone}" d="M0 4H28" stroke-dasharray="${
    DASHES[dash]
  }"/></svg>${escapeHtml(label)}</li>`;
}

function bandHtml({ from, to, kind, letter, title }: Band, left: (second: number) => number): string {
  return `<div class="band ${kind}" style="left:${left(from)}%;width:${round(left(to) - left(from))}%" title="${
    escapeHtml(title)
  }"><b>${escapeHtml(letter)}</b></div>`;
}

function markHtml({ at, good, title }: Mark, left: (second: number) => number): string {
  return `<span class="mark ${good ? "good" : "bad"}" style="left:${left(at)}%" title="${escapeHtml(title)}">${
    good ? "\u25b2" : "\u2716"
  }</span>`;
}

function path({ points, tone, dash }: Series, x: (second: number) => number, y: (value: number) => number): string {
  let pen = "M";
  let d = "";
  for (const [second, value] of points) {
    if (value === undefined) {
      pen = "M";
      continue;
    }
    d += `${pen}${round(x(second))} ${round(y(value))}`;
    pen = "L";
  }
  return `<path class="${tone}" d="${d}" stroke-dasharray="${DASHES[dash]}" vector-effect="non-scaling-stroke"/>`;
}

function line(from: number, to: number, y: number): string {
  return `<path class="grid" d="M${from} ${round(y)}H${to}" vector-effect="non-scaling-stroke"/>`;
}

/** One narrow column a second, which shows the figures of that second when it is pointed at. */
function columns({ series, seconds }: Chart, left: (second: number) => number): string {
  const at = new Map<number, string[]>();
  for (const { label: name, points } of series) {
    for (const [second, value] of points) {
      if (value === undefined) continue;
      const key = Math.floor(second);
      at.set(key, [...at.get(key) ?? [], `${name} ${label(value)}`]);
    }
  }
  return [...at].filter(([second]) => second < seconds).map(([second, lines]) =>
    `<i class="column" style="left:${left(second)}%;width:${round(100 / seconds)}%" title="${
      escapeHtml(`${second} s\n${lines.join("\n")}`)
    }"></i>`
  ).join("");
}

function label(value: number): string {
  if (value >= 1_000_000) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 10_000) return `${Number((value / 1e3).toPrecision(3))}k`;
  return `${Number(value.toPrecision(3))}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
