/**
 * One replica: composes ledger, dispatcher, membership, peer links and projector, and serves the HTTP edge. It has no socket,
 * no file and no clock of its own: those come in through ports, in production and in simulation alike.
 * @module
 */
import { type Clock, type Random, within } from "./clock.ts";
import type { AckLevel } from "./config.ts";
import type { Ledger, Receipt } from "./ledger/ledger.ts";
import { FileLog, type FilePorts } from "./file_log.ts";
import { ClaimedPoller, HealthPoller } from "./membership/health_poller.ts";
import { type Effect, type Event, type Membership, transition, unstarted } from "./membership/membership.ts";
import type { Book, MemoryLimits } from "./payment/book.ts";
import type { Processor, ReplicaId } from "./payment/fact.ts";
import type { Cents } from "./payment/money.ts";
import type { Payment } from "./payment/payment.ts";
import type { Roster } from "./payment/roster.ts";
import { Agreement } from "./peer/agreement.ts";
import { PeerLinks } from "./peer/link.ts";
import type { Transport } from "./peer/transport.ts";
import { Dispatcher } from "./routing/dispatcher.ts";
import type { Health, ProcessorClient } from "./routing/processor_client.ts";
import type { RouteLimits } from "./routing/route.ts";
import { type Readiness, readinessOf, type Running } from "./service/readiness.ts";
import type { Acceptance, Service, Vitals } from "./service/service.ts";
import { type ClusterLog, type LogHost, STORE_AGAIN_MS } from "./recovery.ts";
import { StreamLog, type StreamPorts } from "./stream_log.ts";
import { Projector } from "./store/projector.ts";
import type { Store } from "./store/store.ts";
import type { Observer } from "./service/observer.ts";

/** How often loading may fail before the replica restarts. */
const READINGS_MAX = 4;
/** How often a replica tries for the locks of those that are no longer in the roster, in milliseconds. */
const REMOVED_TRY_MS = 5_000;
/** How long a caller waits until the log has a payment, in milliseconds. */
const RECORD_MS = 2_000;
/** How long after the log has not taken a payment this replica is not ready, in milliseconds. */
const UNTAKEN_MS = 5_000;
/** Once the log is lost, what only this replica may know is kept for so long until the store takes it, in milliseconds. */
const GIVE_UP_MS = 86_400_000;
/** The part of the time for stopping that calls in flight may take. */
const DRAIN_SHARE = 0.6;

/** The options of one replica; times in milliseconds. */
export interface ReplicaSettings extends RouteLimits {
  /** which replica it is */
  readonly self: ReplicaId;
  /** all replicas */
  readonly roster: Roster;
  /** when a payment is acknowledged */
  readonly ack: AckLevel;
  /** payments that it dispatches a second at most */
  readonly dispatchPerSecond: number;
  /** payments that may be pending at all replicas together */
  readonly queueMax: number;
  /** memory that payments may take */
  readonly memory: MemoryLimits;
  /** when a call is given up */
  readonly requestTimeoutMs: number;
  /** how long after its end a call without a verdict may still be booked */
  readonly horizonMs: number;
  /** how long after a loss of facts an id that comes in may have been lost with them */
  readonly recallMs: number;
  /** how long stopping may take in all */
  readonly stopMs: number;
  /** the least time between two writes of the store, unless a caller waits */
  readonly storeIntervalMs: number;
  /** segments that the log may have before POST is refused */
  readonly segmentsMax: number;
  /** see {@link SegmentLogOptions} */
  readonly segmentRecords: number;
  /** see {@link SegmentLogOptions} */
  readonly rereads: number;
}

/** Everything outside, but the log. */
export interface ReplicaPorts {
  /** the time */
  readonly clock: Clock;
  /** for jitter, and for numbers that are not likely to meet */
  readonly random: Random;
  /** the processors */
  readonly client: ProcessorClient;
  /** makes a new UUID */
  uuid(): string;
  /** the way to the peers; none for a replica on its own */
  readonly transport?: Transport | undefined;
  /** the store; none for a replica that has only the log */
  readonly store?: Store | undefined;
  /** sees every fact after the start, after the replica's own parts */
  readonly observers?: readonly Observer[];
  /** Logs a line. */
  say(level: "info" | "warning", message: string, fields?: Record<string, unknown>): void;
  /** An invariant is broken: the replica must not go on. */
  fail(error: unknown): void;
  /** A part of the log that this replica needs is gone, or the store knows more: the process must restart. */
  restart(why: string): void;
}

/** A replica, whole, over its ports. */
export class Replica implements Service {
  readonly #settings: ReplicaSettings;
  readonly #ports: ReplicaPorts;
  readonly #log: ClusterLog;
  readonly #links: PeerLinks | undefined;
  readonly #agreements: ReadonlyMap<ReplicaId, Agreement>;
  readonly #poller: HealthPoller | ClaimedPoller;
  #member: Membership;
  #openedMs = 0;
  /** how long reading took: no caller could repeat an id meanwhile, so ids are recalled for that much longer */
  #readMs = 0;
  #running: Running | undefined;
  #stopped = Promise.withResolvers<boolean>();
  #clean = true;
  /** why the store keeps this replica from starting, as it was logged last */
  #storeTrouble = "";
  /** Whether no replica takes payments, because this one waits for the store at its start. */
  isAwaitingStore = false;
  /** how often loading the store has failed */
  #readings = 0;
  /** when the log last took no payment, on the monotonic clock; -Infinity if it took one since */
  #untakenMs = -Infinity;
  /** payments that wait until the log has them */
  #accepting = 0;

  /** Does nothing yet: see {@link start}. */
  constructor(settings: ReplicaSettings, ports: ReplicaPorts & (FilePorts | StreamPorts)) {
    this.#settings = settings;
    this.#ports = ports;
    this.#log = this.#logOf(ports);
    const { self, roster } = settings;
    const { clock, random, transport, client } = ports;
    const peers = roster.peersOf(self);
    this.#member = unstarted(peers);
    const checkpoints = () => this.#running?.ledger.checkpoints ?? [];
    this.#agreements = new Map(peers.map((peer) => [peer, new Agreement(peer, checkpoints, roster)]));
    if (transport) {
      const progress = () => {
        const { ledger, projector } = this.#running ?? {};
        return { position: ledger?.position ?? 0, stored: projector?.position ?? 0 };
      };
      this.#links = new PeerLinks({ self, roster, clock, random, transport, progress, checkpoints }, {
        linked: (peer) => this.#linked(peer),
        lost: (peer, why) => this.#lost(peer, why),
        progress: ({ position, stored }) => {
          const { ledger, projector } = this.#running ?? {};
          projector?.heard(stored);
          if (ledger && position > ledger.position) this.#catchUp(ledger);
          this.#trim();
        },
        checkpoint: (peer, told) => this.#agree(this.#agreements.get(peer)!.told(told)),
        health: (processor, health) => this.#running?.dispatcher.hearHealth(processor, health),
      });
    }
    const heard = (processor: Processor, health: Health) => {
      this.#running?.dispatcher.hearHealth(processor, health);
      this.#links?.tellHealth(processor, health);
    };
    this.#poller = "streams" in ports
      ? new ClaimedPoller(clock, (processor) => ports.claimHealth(processor), client, heard)
      : new HealthPoller(clock, ports.locks, client, heard);
  }

  #logOf(ports: ReplicaPorts & (FilePorts | StreamPorts)): ClusterLog {
    const host: LogHost = {
      silentMs: (peer) => this.#links?.all.find((link) => link.peer === peer)?.silentMs ?? Infinity,
      found: (dead, living) => {
        for (const peer of dead) this.#happened({ kind: "peer-dead", peer });
        for (const peer of living) this.#happened({ kind: "peer-lives", peer });
        this.#trim(dead);
      },
      ownersChanged: () => this.#running?.dispatcher.ownersChanged(),
      giveUp: async () => {
        const { dispatcher, projector } = this.#running ?? {};
        void dispatcher?.stop();
        await projector?.flush(GIVE_UP_MS);
      },
    };
    return "streams" in ports ? new StreamLog(this.#settings, ports, host) : new FileLog(this.#settings, ports, host);
  }

  /** Begins to look for the peers, to read the store and the log, and then to serve. */
  start(): void {
    this.#happened({ kind: "start" });
  }

  /** The ledger; undefined until the store and the log are read. */
  get ledger(): Ledger | undefined {
    return this.#running?.ledger;
  }

  accept(id: string, cents: Cents): Acceptance | Promise<Acceptance> {
    const { self, queueMax, memory, recallMs } = this.#settings;
    const { observers = [] } = this.#ports;
    const { clock } = this.#log;
    for (const observer of observers) observer.handedIn?.(id);
    if (!this.#running || this.#member.phase !== "serving") return "not-serving";
    const { ledger, retention } = this.#running;
    const { book } = ledger;
    if (!ledger.isCurrent) return "cut-off";
    // another replica may have taken it, or purged it, or brought all to a limit
    this.#catchUp(ledger);
    const known = book.get(id);
    if (known) return known.cents === cents ? this.#covered() : "conflict";
    if (book.pending.size + this.#accepting >= queueMax) return "queue-full";
    if (book.memoryUse(memory) >= 1) return "memory-full";
    if (!book.hasRoomFor(cents)) return "total-full";
    if (retention.isOverLimit) return "log-full";
    const doubt = book.doubtedUptimeMs !== null && clock.uptime() < book.doubtedUptimeMs + this.#readMs + recallMs;
    const receipt = ledger.append({ kind: "accepted", by: self, id, cents, at: clock.now(), doubt }, true);
    return receipt instanceof Promise ? this.#recorded(receipt, cents) : this.#accepted(receipt, cents);
  }

  /** Recording goes on for as long as it takes, and the caller may send the payment again. */
  async #recorded(recording: Promise<Receipt>, cents: Cents): Promise<Acceptance> {
    this.#accepting++;
    const receipt = await within(this.#ports.clock, RECORD_MS, recording.finally(() => this.#accepting--));
    return receipt ? this.#accepted(receipt, cents) : "uncovered";
  }

  #accepted(receipt: Receipt, cents: Cents): Acceptance | Promise<Acceptance> {
    if (receipt.kind === "not-taken") {
      this.#untakenMs = this.#ports.clock.monotonic();
      return "log-full";
    }
    this.#untakenMs = -Infinity;
    // a purge was recorded at the same time
    if (!receipt.payment) return "uncovered";
    // another replica may have taken the id first: that is the payment
    return receipt.payment.cents === cents ? this.#covered() : "conflict";
  }

  find(id: string): ReturnType<Service["find"]> {
    return this.#readToEnd((book) => book.get(id));
  }

  summary(from?: number, to?: number): ReturnType<Service["summary"]> {
    return this.#readToEnd((book) => book.summary(from, to));
  }

  /** What the book says once all is folded that was recorded before the call. */
  #readToEnd<T>(read: (book: Book) => T): T | undefined | Promise<T | "cut-off"> {
    const { ledger } = this.#running ?? {};
    if (!ledger) return undefined;
    const reached = ledger.barrier();
    if (reached) return reached.then((isRead) => isRead ? read(ledger.book) : "cut-off");
    this.#look();
    return read(ledger.book);
  }

  purge(): ReturnType<Service["purge"]> {
    const { ledger } = this.#running ?? {};
    if (!ledger || this.#member.phase !== "serving") return false;
    if (!ledger.isCurrent) return "cut-off";
    const receipt = ledger.append({ kind: "purged", by: this.#settings.self, at: this.#ports.clock.now() });
    if (!(receipt instanceof Promise)) return receipt.kind === "holds";
    return within(this.#ports.clock, RECORD_MS, receipt).then((receipt) =>
      receipt ? receipt.kind === "holds" : "cut-off"
    );
  }

  get vitals(): Vitals {
    const memoryUse = this.#running?.ledger.book.memoryUse(this.#settings.memory);
    return { links: this.#links, memoryUse, ...this.#running };
  }

  /** Its state; also checks the store. */
  readiness(): Readiness {
    this.#running?.projector?.check();
    const links = this.#links?.all ?? [];
    const isStoredElsewhere = links.some(({ linked, status }) => linked && status?.store === "ready");
    // without payments nothing shows that the log takes records again
    const isUntaken = this.#ports.clock.monotonic() < this.#untakenMs + UNTAKEN_MS;
    const hasStore = this.#ports.store !== undefined;
    return readinessOf(this.#settings, this.#member, hasStore, this.#running, isStoredElsewhere, isUntaken);
  }

  /**
   * Takes nothing new, lets calls end, writes the store, and releases the lock, so that a peer takes over what is left;
   * all of it within the time for stopping.
   *
   * @returns whether no call was cut off, and the store holds all of the log
   */
  stop(): Promise<boolean> {
    this.#happened({ kind: "stop" });
    return this.#stopped.promise;
  }

  #happened(event: Event): void {
    const { state, effects } = transition(this.#member, event);
    this.#member = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    const { clock } = this.#ports;
    switch (effect.kind) {
      case "open":
        return void clock.after(effect.afterMs, () => this.#guard(this.#open()));
      case "read":
        return this.#guard(this.#read());
      case "serve":
        return this.#serve();
      case "take-over":
        return this.#takeOver(effect.from);
      case "try-later":
        return void clock.after(effect.afterMs, () => this.#happened({ kind: "try" }));
      case "drain":
        return this.#guard(this.#drain());
      case "close":
        return this.#close();
    }
  }

  #guard(work: Promise<void>): void {
    work.catch((error) => this.#ports.fail(error));
  }

  async #open(): Promise<void> {
    if (this.#member.phase !== "starting") return;
    const opened = await this.#log.open();
    // another one that opens the log meanwhile may wait as well
    const waits = opened.kind === "not-opened" && opened.afterMs !== undefined;
    this.isAwaitingStore = (opened.isAlone ?? this.isAwaitingStore) && (this.isAwaitingStore || waits);
    if (opened.kind === "not-opened") {
      if (opened.afterMs && opened.why !== this.#storeTrouble) {
        this.#storeTrouble = opened.why;
        this.#ports.say("warning", "the start waits", { why: opened.why });
      }
      return this.#happened(opened);
    }
    if (this.#member.phase !== "starting") return this.#log.close();
    const { horizonMs } = this.#settings;
    const lost = "the log may have lost facts: processors are asked before anything unsettled is sent";
    if (opened.doubted) this.#ports.say("warning", lost, { horizonMs });
    // a peer that hears this replica takes it for alive, so it must hold its lock
    this.#links?.start();
    this.#openedMs = this.#ports.clock.monotonic();
    this.#happened({ kind: "opened" });
  }

  async #read(): Promise<void> {
    const { self, roster, storeIntervalMs: intervalMs } = this.#settings;
    const { random, store, client, say, restart, observers = [] } = this.#ports;
    const { clock } = this.#log;
    const known = await this.#log.load();
    if (this.#member.phase !== "reading") return;
    if (!known) {
      // another replica has stored more since, or the store does not answer any more, or went back to before the log's beginning
      if (++this.#readings < READINGS_MAX) return void clock.after(STORE_AGAIN_MS, () => this.#guard(this.#read()));
      return restart("the log does not reach back to what the store holds");
    }
    const { logId, isEarlier, stored, retention } = known;
    const ledger = known.begin();
    const isOwn = (payment: Payment) => this.#log.isOwn(payment);
    const dispatcher = new Dispatcher({
      self,
      isOwn,
      strayMs: this.#log.strayMs,
      ledger,
      clock,
      random,
      client,
      limits: this.#settings,
    });
    const projector = store && new Projector({
      isFirst: self === roster.names[0],
      ...{ store, clock, random, ledger, logId, isEarlier, intervalMs, from: stored, say },
      onBatch: (payments, tookMs) => observers.forEach((observer) => observer.committed?.(payments, tookMs)),
      onStored: () => {
        this.#links?.tell();
        this.#trim();
      },
      onAhead: restart,
    });
    ledger.observe(dispatcher);
    if (projector) ledger.observe(projector);
    ledger.observe({ folded: () => this.#links?.tell() });
    for (let reading = ledger.barrier(); reading && !await reading;) {
      if (this.#member.phase !== "reading") return;
      reading = ledger.barrier();
    }
    if (this.#member.phase !== "reading") return;
    this.#look();
    for (const observer of observers) ledger.observe(observer);
    this.#running = { ledger, retention, dispatcher, projector };
    this.#readMs = clock.monotonic() - this.#openedMs;
    this.#happened({ kind: "read" });
  }

  #serve(): void {
    this.#running!.dispatcher.start();
    this.#poller.start();
    this.#look();
    this.#links?.tell();
    this.#takeOverRemoved();
  }

  /** What replicas own that are no longer in the roster: such a one may live for a while. */
  #takeOverRemoved(): void {
    if (this.#member.phase !== "serving") return;
    const { names, removed } = this.#settings.roster;
    const owners = new Set(this.#running!.ledger.book.pending.values().map(({ owner }) => owner));
    this.#takeOver([...owners].filter((owner) => !names.includes(owner)));
    if (removed.length > 0) this.#ports.clock.after(REMOVED_TRY_MS, () => this.#takeOverRemoved());
  }

  #takeOver(peers: readonly ReplicaId[]): void {
    this.#log.takeOver(peers, this.#running!.ledger);
  }

  #linked(peer: ReplicaId): void {
    // it may be a new process of the peer, with another log
    this.#agreements.get(peer)!.forget();
    this.#log.heard(peer);
    if (this.#member.phase === "serving") this.#ports.say("info", "a peer is linked", { peer });
    this.#happened({ kind: "linked", peer });
  }

  #lost(peer: ReplicaId, why: string): void {
    if (this.#member.phase === "serving") this.#ports.say("warning", "a peer is lost", { peer, why });
    this.#agreements.get(peer)!.forget();
    this.#happened({ kind: "lost", peer });
  }

  /** Whether all that is known by now is as safe as `ACK` promises. */
  #covered(): Acceptance | Promise<Acceptance> {
    if (this.#settings.ack === "log") return "accepted";
    const { ledger, projector } = this.#running!;
    return projector!.covered(ledger.position).then((covered) => covered ? "accepted" : "uncovered");
  }

  #catchUp(ledger: Ledger): void {
    ledger.catchUp();
    this.#look();
  }

  #look(): void {
    for (const agreement of this.#agreements.values()) this.#agree(agreement.look());
  }

  #agree(difference: string | undefined): void {
    if (difference) this.#ports.fail(new Error(difference));
  }

  /** @param dead peers whose locks this replica holds: what they have read is irrelevant */
  #trim(dead: readonly ReplicaId[] = []): void {
    const { projector, retention } = this.#running ?? {};
    const living = this.#links?.all.filter(({ peer }) => !dead.includes(peer)) ?? [];
    if (projector) retention?.trim?.(projector.position, Math.min(...living.map(({ position }) => position)));
  }

  async #drain(): Promise<void> {
    const { stopMs } = this.#settings;
    const { clock } = this.#ports;
    const { dispatcher, projector } = this.#running!;
    this.#poller.stop();
    const untilMs = clock.monotonic() + stopMs;
    const ended = await within(clock, stopMs * DRAIN_SHARE, dispatcher.stop().then(() => true)) ?? false;
    const stored = await projector?.flush(untilMs - clock.monotonic()) ?? true;
    this.#clean = ended && stored;
    this.#happened({ kind: "drained" });
  }

  #close(): void {
    this.#poller.stop();
    this.#links?.stop();
    this.#log.close();
    this.#stopped.resolve(this.#clean);
  }
}
