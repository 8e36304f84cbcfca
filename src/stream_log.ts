/**
 * The log of several hosts: a stream that an engine keeps. No replica can prove that another one is dead, so safety does not
 * depend on it: the engine decides which replica binds a payment. While a replica is silent, another acts on its payments.
 * @module
 */
import { type Clock, within } from "./clock.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { RecordBuffer } from "./ledger/record.ts";
import { type Stream, StreamError, type Streams } from "./ledger/stream.ts";
import { ALL, CURRENT_MS, StreamLedger } from "./ledger/stream_ledger.ts";
import type { Processor, ReplicaId } from "./payment/fact.ts";
import type { Payment } from "./payment/payment.ts";
import {
  askStore,
  type ClusterLog,
  type Known,
  loadStore,
  type LogHost,
  moveStore,
  type Opened,
  STORE_AGAIN_MS,
} from "./recovery.ts";
import type { ReplicaPorts, ReplicaSettings } from "./replica.ts";
import type { Stored } from "./store/store.ts";

/** When a replica is silent for this long, others act on its payments, in milliseconds. */
export const SILENT_MS = 5_000;
/** How long a start listens to a stream whose state no server reports, to learn whether it is lost, in milliseconds. */
const LOOK_MS = 10_000;
/** How long other replicas have to write the store after a loss, before this one starts again and reads it, in milliseconds. */
const FAREWELL_MS = 2_000;
/** How long a start waits for living replicas to write everything again after a backup was restored, in milliseconds. */
const SET_BACK_MS = 10_000;
/** A new stream begins this far above the highest position known here, since other replicas may know higher ones. */
const GAP = 2 ** 36;

/** What the log of several hosts needs. */
export interface StreamPorts {
  /** the engine's streams, of which one is the log */
  readonly streams: Streams;
  /** Whether this replica may ask a processor how it is: one of all replicas in five seconds. Never rejects. */
  claimHealth(processor: Processor): Promise<boolean>;
}

/** The {@link ClusterLog} of several hosts. */
export class StreamLog implements ClusterLog {
  /** the hosts have booted at different times, so doubts are dated by the wall clock */
  readonly clock: Clock;
  /** a replica that lives, but has not read yet that its payment is another's, calls for as long as it counts as current */
  readonly strayMs: number;
  readonly #settings: ReplicaSettings;
  readonly #ports: ReplicaPorts & StreamPorts;
  readonly #host: LogHost;
  #stream: Stream | undefined;
  /** the position of the stream's first message */
  #base = 0;
  /** whether everything that was ever recorded is in the stream */
  #isWhole = false;
  #ledger: StreamLedger | undefined;
  /** since when this replica has heard the log without a break: the silence of others counts from then */
  #currentSinceMs: number | undefined;
  #silent: ReadonlySet<ReplicaId> = new Set();
  /** since when the store holds less than the stream began on */
  #setBackSinceMs: number | undefined;
  #closed = false;

  /** Opens nothing yet. */
  constructor(settings: ReplicaSettings, ports: ReplicaPorts & StreamPorts, host: LogHost) {
    this.#settings = settings;
    this.#ports = ports;
    this.#host = host;
    this.strayMs = CURRENT_MS + settings.requestTimeoutMs;
    const { clock } = ports;
    this.clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      uptime: () => clock.now(),
      after: (ms, action) => clock.after(ms, action),
      soon: (action) => clock.soon(action),
    };
  }

  async open(): Promise<Opened> {
    const { streams, store } = this.#ports;
    const { stored, trouble } = await askStore(this.clock, store);
    try {
      if (!stored) return await this.#openAlone(`the store does not answer${trouble}`);
      const isFirst = stored.logId === null;
      const stream = await streams.current() ?? await streams.begin(isFirst ? 1 : stored.position + GAP, undefined);
      const state = await stream.state();
      if (!state) return await this.#listen(stream, stored);
      const { id, first, last } = state;
      const isBegun = last >= first || await this.#writeFirst(stream, !isFirst);
      if (!isBegun) return await this.#leave(stream, "the log does not take its first message");
      if (store && stored.logId !== id) {
        // a stale answer: the stream that the store holds began above all positions of this one
        if (first <= stored.position) return await this.#leave(stream, "the store holds a newer log");
        // replicas that serve moved the store to this stream before: a backup was restored, and they will write it again
        if (last > first && this.#waitsForOthers()) return await this.#leave(stream, "the store was set back");
        const now = await moveStore(this.clock, store, stored, id, first);
        if (now?.logId !== id) return await this.#leave(stream, "the store did not take the log that begins anew");
      }
      [this.#stream, this.#base, this.#isWhole] = [stream, first, false];
      return { kind: "opened", doubted: last < first && !isFirst };
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return notYet(error.message);
    }
  }

  async load(): Promise<Known | undefined> {
    const { roster } = this.#settings;
    const { store, random } = this.#ports;
    const { book, stored, answered } = await loadStore(this.clock, store);
    const stream = this.#stream!;
    if (store && (answered || !this.#isWhole) && stored.logId !== stream.id) return undefined;
    // the restored backup lacks what happened between it and the beginning of the stream
    if (this.#setBackSinceMs !== undefined && stored.position === this.#base) book.markLoadedDoubtful();
    const parts = {
      ...{ stream, clock: this.clock, random, base: this.#base, position: Math.max(stored.position, this.#base) },
      ...{ nonce: Math.floor(random() * 2 ** 32), book, hash: stored.hash, roster },
      lost: (why: string) => void this.#lose(why).catch(this.#ports.fail),
    };
    const retention = {
      get isOverLimit() {
        return stream.isOverLimit;
      },
    };
    return {
      logId: stream.id,
      // a stream begins above every position of those before it
      isEarlier: ({ position }) => position < this.#base,
      stored,
      retention,
      begin: () => this.#ledger = new StreamLedger(parts),
    };
  }

  /** The first replica after a silent one in the roster that is not silent itself acts on its payments. */
  isOwn({ owner }: Payment): boolean {
    const { self, roster: { names } } = this.#settings;
    if (owner === self) return true;
    const at = names.indexOf(owner);
    if (at !== -1 && !this.#silent.has(owner)) return false;
    const after = [...names.slice(at + 1), ...names.slice(0, Math.max(0, at))];
    return after.find((name) => name === self || !this.#silent.has(name)) === self;
  }

  takeOver(peers: readonly ReplicaId[], ledger: Ledger): void {
    const nowMs = this.clock.monotonic();
    // a replica that cannot reach the log is itself cut off
    this.#currentSinceMs = ledger.isCurrent ? this.#currentSinceMs ?? nowMs : undefined;
    const sinceMs = this.#currentSinceMs;
    if (sinceMs === undefined) return this.#setSilent([]);
    const isSilent = (peer: ReplicaId) => Math.min(nowMs - sinceMs, this.#host.silentMs(peer)) >= SILENT_MS;
    const gone = peers.filter((peer) => !this.#silent.has(peer) && isSilent(peer));
    for (const peer of gone) this.#ports.say("warning", "a replica is silent: others act on its payments", { peer });
    this.#setSilent([...this.#silent, ...gone]);
  }

  heard(peer: ReplicaId): void {
    this.#setSilent([...this.#silent].filter((name) => name !== peer));
  }

  #setSilent(silent: readonly ReplicaId[]): void {
    if (silent.length === this.#silent.size) return;
    this.#silent = new Set(silent);
    this.#host.ownersChanged();
  }

  close(): void {
    this.#closed = true;
    this.#ledger?.close();
    void this.#stream?.close();
  }

  /** The start tries again soon. */
  async #leave(stream: Stream, why: string): Promise<Opened> {
    await stream.close();
    return { kind: "not-opened", why };
  }

  /** Without an answer of the store. The cluster's first stream, which begins with a barrier, has every fact; later ones do not. */
  async #openAlone(why: string): Promise<Opened> {
    const stream = await this.#ports.streams.current();
    const state = await stream?.state();
    if (!stream || !state || state.last < state.first) return notYet(why);
    const { promise, resolve } = Promise.withResolvers<string>();
    const record = new RecordBuffer(this.#settings.roster);
    stream.tail(state.first - 1, {
      read: (_, bytes) => {
        record.bytes.set(bytes);
        resolve(record.read().kind);
      },
      heard() {},
      lost: resolve,
    });
    const first = await within(this.clock, LOOK_MS, promise);
    await stream.close();
    if (first !== "barrier") return notYet(why);
    const again = await this.#ports.streams.current();
    if (again?.id !== stream.id) return notYet(why);
    [this.#stream, this.#base, this.#isWhole] = [again, state.first, true];
    return { kind: "opened", doubted: false };
  }

  #waitsForOthers(): boolean {
    const nowMs = this.clock.monotonic();
    this.#setBackSinceMs ??= nowMs;
    return nowMs - this.#setBackSinceMs < SET_BACK_MS;
  }

  /** No server reports the stream's state: it may be lost. */
  async #listen(stream: Stream, stored: Stored): Promise<Opened> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const heard = () => resolve(undefined);
    stream.tail(0, { read: heard, heard, lost: resolve });
    const lost = await within(this.clock, LOOK_MS, promise);
    await stream.close();
    if (lost && !this.#closed) await this.#beginAnew(stream.id, stored.position);
    return notYet("no server says how far the log is");
  }

  /** The first message says whether facts may be lost before it. @returns whether it stands, this one or another's */
  async #writeFirst(stream: Stream, doubted: boolean): Promise<boolean> {
    const { self: by, roster } = this.#settings;
    const [at, nonce] = [this.clock.now(), Math.floor(this.#ports.random() * 2 ** 32)];
    const record = new RecordBuffer(roster);
    record.write(doubted ? { kind: "doubted", by, at, uptimeMs: this.clock.uptime() } : { kind: "barrier" }, nonce);
    const { kind } = await stream.publish(ALL, record.bytes, 0);
    return kind === "stands" || kind === "overruled";
  }

  /** The stream is lost: another one begins, the store gets what is known, and the start reads both. */
  async #lose(why: string): Promise<void> {
    if (this.#closed) return;
    const { say, restart } = this.#ports;
    say("warning", "the log is lost, and another one begins", { why });
    // before anything is stored: others may not know it, and go on with new messages at the same positions
    while (!await this.#beginAnew(this.#stream!.id, this.#ledger!.position)) {
      await this.#pause(STORE_AGAIN_MS);
      if (this.#closed) return;
    }
    await this.#host.giveUp();
    await this.#pause(FAREWELL_MS);
    if (!this.#closed) restart("the log was lost");
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.after(ms, resolve));
  }

  /** @param known where the lost stream ended, or before that. @returns whether another one counts now */
  async #beginAnew(lost: string, known: number): Promise<boolean> {
    try {
      const stream = await this.#ports.streams.begin(known + GAP, lost);
      await this.#writeFirst(stream, true);
      await stream.close();
      return true;
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return false;
    }
  }
}

function notYet(why: string): Opened {
  return { kind: "not-opened", why, afterMs: STORE_AGAIN_MS };
}
