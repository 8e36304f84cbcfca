/**
 * What people may see of a replica. Every second it looks at the replica, informs its peers and the live pages, and logs
 * events. It sees the facts of all replicas, in the order of the log, and changes nothing.
 * @module
 */
import { type Cancel, type Clock, within } from "../clock.ts";
import type { Summary } from "../payment/book.ts";
import { type Dispatched, type Fact, isAttempt, type Processor, PROCESSORS } from "../payment/fact.ts";
import type { Reason, ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { Roster } from "../payment/roster.ts";
import type { Status } from "../peer/frame.ts";
import type { Observer } from "../service/observer.ts";
import { LIMITS, type Readiness } from "../service/readiness.ts";
import type { Service } from "../service/service.ts";
import { Charts } from "./charts.ts";
import { Outages } from "./outages.ts";
import { beginning, decodeStory, isComplete, leadsTo, snapshot, stepOf, Stories } from "./stories.ts";
import type { Decision, Point, Story, Watcher } from "./watching.ts";

/** How often it looks, in milliseconds. */
export const LOOK_MS = 1_000;
/** A replica without a status for this long counts as not heard, in milliseconds. */
const HEARD_MS = 3_000;
/** How many decisions are kept of each reason, so that the usual ones do not displace a rare one. */
const DECISIONS_EACH = 4;
/** After this long without a payment the fallback counts as not used, in milliseconds. */
const QUIET_MS = 10_000;
/** Live pages that may be open at a replica. */
export const WATCHERS_MAX = 16;
/** How long a story waits for the store, in milliseconds. */
export const STORY_MS = 500;

interface WatchParts {
  readonly self: ReplicaId;
  readonly roster: Roster;
  readonly clock: Clock;
  /** where the log is */
  readonly log: "file" | "nats";
  /** what each processor charges, as a share */
  readonly fees: Readonly<Record<Processor, number>>;
  /** memory of the process, in bytes */
  memory(): number;
  /** what the store has of a story, as {@link Watch.stored} gave it; rejected when it cannot be asked */
  recall(id: string): Promise<string | undefined>;
  /** Called with each look: how many milliseconds later it is than it should be, since the event loop is busy. */
  late(ms: number): void;
  say(level: "info" | "warning", message: string, fields?: Record<string, unknown>): void;
}

/** The status of a replica that is still starting. */
const NOTHING: Summary = { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } };

/** Collects what the HTTP edge shows people. */
export class Watch implements Observer {
  readonly #parts: WatchParts;
  readonly #charts = new Charts();
  readonly #stories: Stories;
  readonly #outages = new Outages();
  readonly #watchers = new Set<Watcher>();
  readonly #decisions = new Map<Reason, Decision[]>();
  readonly #since: number;
  #replica: Service | undefined;
  #next: Cancel | undefined;
  #stopped = false;
  #lookedMs: number;
  /** the requests since the last look: milliseconds each, and how many failed */
  #took: number[] = [];
  #failed = 0;
  #own: Status | undefined;
  /** each peer's last status, and when it came, on the monotonic clock */
  readonly #heard = new Map<ReplicaId, { readonly status: Status; readonly heardMs: number }>();
  /** stories are read one at a time, so that writes do not wait for reads */
  #recalls: Promise<unknown> = Promise.resolve();
  /** by processor, what was logged last: the status with which it refuses, and what is not understood of it */
  readonly #said: Record<Processor, { rejectsWith?: number | undefined; unclear?: string | undefined }> = {
    default: {},
    fallback: {},
  };
  #fallback: { readonly since: number; readonly lastAt: number; readonly payments: number } | undefined;

  /** Looks at nothing yet: see {@link start}. */
  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#stories = new Stories(parts.roster);
    this.#since = parts.clock.now();
    this.#lookedMs = parts.clock.monotonic();
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    if (!holds) return;
    if (fact.kind === "purged") {
      this.#stories.clear();
      this.#decisions.clear();
    } else if (fact.kind === "dispatched" || fact.kind === "released" || fact.kind === "settled") {
      const step = stepOf(fact, payment!);
      this.#stories.add(fact.id, step);
      if (fact.kind === "released" || isAttempt(fact)) this.#decided({ ...step, id: fact.id });
      if (isAttempt(fact) && fact.by === this.#parts.self) this.#sent(fact);
    }
  }

  #decided(decision: Decision): void {
    const alike = this.#decisions.get(decision.reason);
    if (!alike) this.#decisions.set(decision.reason, [decision]);
    else if (alike.push(decision) > DECISIONS_EACH) alike.shift();
  }

  answered(route: string, status: number, tookMs: number): void {
    if (route !== "POST /payments") return;
    this.#took.push(tookMs);
    if (status >= 500) this.#failed++;
  }

  /** Begins to look, until {@link stop}. */
  start(replica: Service): void {
    this.#replica = replica;
    const { clock, late } = this.#parts;
    const dueMs = clock.monotonic() + LOOK_MS;
    this.#next = clock.after(LOOK_MS, () => {
      late(clock.monotonic() - dueMs);
      this.#look(replica);
      this.start(replica);
    });
  }

  /** Stops looking, and ends every open page. */
  stop(): void {
    this.#stopped = true;
    this.#next?.();
    for (const watcher of this.#watchers) watcher.end();
  }

  /** Adds a page. @returns what removes it; undefined if {@link WATCHERS_MAX} are open, or the replica stops */
  watch(watcher: Watcher): (() => void) | undefined {
    if (this.#stopped || this.#watchers.size >= WATCHERS_MAX) return undefined;
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The charts so far, oldest first. */
  get points(): readonly Point[] {
    return this.#charts.points;
  }

  /** The state of all replicas, as far as this one knows it. */
  live() {
    const { self, roster, clock, log, fees } = this.#parts;
    const replica = this.#replica!;
    const { links, dispatcher, ledger } = replica.vitals;
    // a peer that is not linked does not say that it has recorded something
    ledger?.catchUp();
    const { ready, ack, notes, peers, store, pending, settled, processors } = replica.readiness();
    const totals = ledger?.book.summary() ?? NOTHING;
    const of = (processor: Processor) => ({ ...processors[processor], outages: this.#outages.of(processor) });
    const heard = this.#statuses();
    return {
      ...{ at: clock.now(), replica: self, ready, ack, log, notes, store, pending, settled, totals },
      /** since when it has looked */
      since: this.#since,
      /** null for a replica that this one does not hear */
      replicas: Object.fromEntries(roster.names.map((name) => [name, heard.get(name) ?? null])),
      /** of each peer its state, how long ago it was heard (null: never), and for how long it has not read all it was sent */
      peers: Object.fromEntries(
        Object.entries(peers).map(([peer, state]) => {
          const { silentMs = Infinity, lagMs = 0 } = links?.all.find((link) => link.peer === peer) ?? {};
          return [peer, { state, silentMs: Number.isFinite(silentMs) ? Math.round(silentMs) : null, lagMs }];
        }),
      ),
      /** why waiting payments are not sent; null if none waits */
      held: dispatcher?.held ?? null,
      /** the fees saved against a router that uses only the fallback; rounded down */
      savedCents: share(totals.default.cents, fees.fallback - fees.default),
      processors: { default: of("default"), fallback: of("fallback") },
      /** newest first */
      decisions: [...this.#decisions.values()].flat().sort((one, two) => two.at - one.at),
    };
  }

  /** The part of a story that the store is to keep; undefined if nothing is known. */
  stored(id: string): string | undefined {
    return this.#stories.get(id);
  }

  /** The story of a payment: from memory, else from the store, else its state now. */
  async story(payment: Payment): Promise<Story> {
    const { id, stage } = payment;
    const first = beginning(payment);
    if (stage === "accepted") return { facts: [first], source: "memory", complete: true };
    const lines = decodeStory(this.#stories.get(id) ?? "", this.#parts.roster) ?? [];
    // what was read at the start did not happen now
    const known = leadsTo(lines, payment);
    const memory = { facts: [first, ...lines], source: "memory", complete: isComplete(lines) } as const;
    if (known && (memory.complete || stage !== "settled")) return memory;
    const text = stage === "settled" ? await this.#recall(id) : undefined;
    const stored = decodeStory(text ?? "", this.#parts.roster) ?? [];
    if (leadsTo(stored, payment) && !(known && stored.length <= lines.length)) {
      return { facts: [first, ...stored], source: "postgres", complete: isComplete(stored) };
    }
    if (known) return memory;
    return { facts: [first, snapshot(payment)], source: "snapshot", complete: false };
  }

  /** The story in the store, if it answers in time. */
  async #recall(id: string): Promise<string | undefined> {
    const { clock, recall } = this.#parts;
    let late = false;
    const asked = this.#recalls.then(() => late ? undefined : recall(id)).catch(() => undefined);
    this.#recalls = asked;
    const story = await within(clock, STORY_MS, asked);
    late = true;
    return story;
  }

  /** The last statuses: this replica's, and those of the peers that are not silent. */
  #statuses(): ReadonlyMap<ReplicaId, Status> {
    const { self, clock } = this.#parts;
    const statuses = new Map<ReplicaId, Status>(this.#own ? [[self, this.#own]] : []);
    for (const { peer, status } of this.#replica!.vitals.links?.all ?? []) {
      if (!status) continue;
      if (this.#heard.get(peer)?.status !== status) this.#heard.set(peer, { status, heardMs: clock.monotonic() });
      if (clock.monotonic() - this.#heard.get(peer)!.heardMs < HEARD_MS) statuses.set(peer, status);
    }
    return statuses;
  }

  #look(replica: Service): void {
    const { clock, memory } = this.#parts;
    const at = clock.now();
    const readiness = replica.readiness();
    const { links, projector } = replica.vitals;
    const took = Float64Array.from(this.#took).sort();
    const lookedMs = clock.monotonic();
    // if the event loop stood still, that is more than a second ago
    const aSecond = (count: number) => Math.round(count * 1_000 / (lookedMs - this.#lookedMs));
    this.#own = {
      at,
      ready: readiness.ready,
      posts: aSecond(took.length),
      failed: aSecond(this.#failed),
      medianMs: percentile(took, 0.5),
      p99Ms: percentile(took, 0.99),
      queue: readiness.queue,
      inFlightDefault: readiness.processors.default.inFlight,
      inFlightFallback: readiness.processors.fallback.inFlight,
      store: readiness.store,
      storeLagMs: projector?.oldestUnsavedMs ?? 0,
      memoryBytes: memory(),
    };
    this.#took = [];
    this.#failed = 0;
    this.#lookedMs = lookedMs;
    links?.tellStatus(this.#own);
    this.#logChanges(readiness, at);
    this.#logLimits(readiness, at);
    const all = [...this.#statuses().values()];
    const busy = all.filter(({ posts }) => posts > 0);
    const point: Point = {
      at,
      posts: all.reduce((sum, { posts }) => sum + posts, 0),
      medianMs: busy.length > 0 ? Math.max(...busy.map(({ medianMs }) => medianMs)) : null,
      p99Ms: busy.length > 0 ? Math.max(...busy.map(({ p99Ms }) => p99Ms)) : null,
      pending: readiness.pending,
    };
    this.#charts.add(point);
    if (this.#watchers.size === 0) return;
    const live = this.live();
    for (const watcher of this.#watchers) watcher.tell(live, point);
  }

  #logChanges({ phase, processors }: Readiness, at: number): void {
    const { say } = this.#parts;
    // nothing is known of the processors yet
    if (phase === "starting" || phase === "reading") return;
    for (const processor of PROCESSORS) {
      const { state, error, rejectsWith, retryAt, unclear } = processors[processor];
      const said = this.#said[processor];
      this.#said[processor] = { rejectsWith, unclear };
      const change = this.#outages.look(processor, state === "up", at);
      if (change?.to === null || state === "down" && rejectsWith && rejectsWith !== said.rejectsWith) {
        const why = { ...error && { why: error }, ...rejectsWith && { status: rejectsWith } };
        say("warning", "a processor takes no payments", { processor, ...why, ...retryAt && { until: retryAt } });
      } else if (change) {
        say("info", "a processor takes payments again", { processor, afterMs: change.to! - change.from });
      }
      if (unclear && unclear !== said.unclear) {
        say("warning", "a processor's answer to a lookup is not understood", { processor, unclear });
      }
    }
    const fallback = this.#fallback;
    if (!fallback || at - fallback.lastAt < QUIET_MS) return;
    const forMs = fallback.lastAt - fallback.since;
    say("info", "the fallback gets no more payments", { payments: fallback.payments, forMs });
    this.#fallback = undefined;
  }

  #logLimits({ notes, pending }: Readiness, at: number): void {
    const { say } = this.#parts;
    for (const limit of Object.values(LIMITS)) {
      const change = this.#outages.look(limit, !notes.includes(limit), at);
      if (change?.to === null) say("warning", `${limit}: new payments are refused`, { pending });
      else if (change) say("info", "payments are taken again", { pending, afterMs: change.to - change.from });
    }
  }

  #sent({ processor, at, reason }: Dispatched): void {
    if (processor !== "fallback") return;
    if (!this.#fallback) this.#parts.say("info", "the fallback gets payments", { reason });
    const { since = at, payments = 0 } = this.#fallback ?? {};
    this.#fallback = { since, lastAt: at, payments: payments + 1 };
  }
}

/** The quantile `of` of sorted values, to a thousandth: the smallest that is not below that share of them; 0 of none. */
function percentile(sorted: Float64Array, of: number): number {
  return Math.round(1_000 * (sorted[Math.ceil(of * sorted.length) - 1] ?? 0)) / 1_000;
}

/** That share of an amount, to the millionth of a share, rounded down to a cent. */
function share(cents: number, of: number): number {
  return Number(BigInt(cents) * BigInt(Math.round(of * 1e6)) / 1_000_000n);
}
