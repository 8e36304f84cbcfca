/**
 * One replica: composes book, dispatcher, gossip, tenure and store, and answers what HTTP asks. It knows no socket, no
 * file and no clock of its own: those come in through ports, in production and in simulation alike.
 * @module
 */
import { Ack } from "./ack.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import { Gossip } from "./gossip/gossip.ts";
import { type Left, Tenure } from "./gossip/tenure.ts";
import { Book } from "./payment/book.ts";
import { accepted, type Fact, homeOf, peerOf, REPLICAS, suspect } from "./payment/fact.ts";
import type { Cents } from "./payment/money.ts";
import type { Vitals } from "./ports/metrics.ts";
import type { Acceptance, Payments, Readiness } from "./ports/payments.ts";
import type { ReplicaPorts, ReplicaSettings } from "./replica_parts.ts";
import { HealthPoller } from "./processor/poller.ts";
import { PeerBacklog, reportStored } from "./gossip/peer_backlog.ts";
import { Recovery } from "./store/recovery.ts";
import { StoreWriter } from "./store/writer.ts";
import { timedRecord } from "./timings.ts";

/** How long the summary waits for the peer, in milliseconds. */
export const EXCHANGE_MS = 50;

export class Replica implements Payments {
  readonly book = new Book();
  readonly #settings: ReplicaSettings;
  readonly #ports: ReplicaPorts;
  readonly #tenure: Tenure;
  readonly #gossip: Gossip | undefined;
  readonly #dispatcher: Dispatcher;
  readonly #poller: HealthPoller;
  readonly #writer: StoreWriter | undefined;
  readonly #ack: Ack;
  readonly #recovery: Recovery;
  readonly #peerBacklog = new PeerBacklog();
  /** how this replica's and its peer's last lives ended, before this one */
  #left: Left = "";
  #peerLeft: Left = "";
  #recovering = false;
  #complete = false;
  #stopping = false;

  constructor(settings: ReplicaSettings, ports: ReplicaPorts) {
    this.#settings = settings;
    this.#ports = ports;
    const { self } = settings;
    const { clock, random, client, lock, transport, store } = ports;
    const book = this.book;
    this.#tenure = new Tenure({ self, hasPeer: transport !== undefined, lock, clock }, {
      began: (left) => this.#began(left),
      tookOver: (left) => this.#tookOver(left),
      yielded: () => this.#gossip?.tellYield(peerOf(self)),
    });
    if (transport) {
      const known = { complete: () => this.#complete, recallMs: () => this.#recovery.recallMs };
      this.#gossip = new Gossip({ self, incarnation: ports.incarnation, clock, random, book, transport, ...known }, {
        fact: (fact, seq) => this.#heard(fact, seq),
        epoch: (epoch) => this.#beginEpoch(epoch),
        linked: () => this.#linked(),
        parted: (why) => this.#parted(why),
        yielded: () => this.#tenure.try(),
        recall: (ms) => this.#recovery.recall(ms),
        stored: (seq) => this.#peerBacklog.stored(seq),
        health: ({ processor, failing, minResponseMs }) => this.#dispatcher.hear(processor, { failing, minResponseMs }),
      });
    }
    if (store) {
      this.#writer = new StoreWriter({
        ...{ store, clock, random, limits: settings, log: ports.log },
        everything: () => book.facts(),
        onLaterEpoch: (epoch) => this.#adopt(epoch),
      });
    }
    this.#ack = new Ack(settings.ack, this.#gossip, this.#writer);
    this.#recovery = new Recovery({
      ...{ self, book, clock, store, requestTimeoutMs: settings.requestTimeoutMs, recallMs: settings.recallMs },
      beginEpoch: (epoch) => this.#beginEpoch(epoch),
      rebase: (epoch) => {
        book.rebase(epoch);
        this.#writer?.rebase(epoch);
        // the peer begins the epoch anew, and hears everything that belongs to it
        this.#gossip?.resync();
      },
      recalls: (ms) => this.#gossip?.tell({ type: "recall", ms }),
      record: (fact) => {
        this.#record(fact);
        this.#dispatcher.offer(fact);
      },
      log: ports.log,
    });
    this.#dispatcher = new Dispatcher({
      ...{ self, book, clock, random, client, tenure: this.#tenure, limits: settings },
      record: timedRecord(ports.timings, async (fact) => {
        ports.witness?.did(fact);
        const held = this.#record(fact);
        return fact.stage !== "dispatched" || await this.#ack.allowsSending(held);
      }),
    });
    this.#poller = new HealthPoller(clock, lock, client, (processor, health) => {
      this.#dispatcher.hear(processor, health);
      this.#gossip?.tell({ type: "health", processor, ...health, at: clock.now() });
    });
  }

  /** Begins to look for the peer, to recover what was known, and to dispatch. */
  start(): void {
    this.#gossip?.start();
    this.#tenure.start();
    this.#poller.start();
    if (this.#writer && this.#gossip) {
      reportStored(this.#ports.clock, this.#gossip, this.#writer, () => !this.#stopping);
    }
  }

  async accept(id: string, cents: Cents): Promise<Acceptance> {
    if (this.#stopping) return "stopping";
    if (!this.#complete) return "uncovered";
    const known = this.book.get(id);
    if (known) {
      if (known.cents !== cents) return "conflict";
      // it may be the peer's, whose store need not have it yet
      this.#writer?.note(known);
      return await this.#cover(id, cents, this.#gossip?.held());
    }
    if (this.book.pending.size >= this.#settings.queueMax) return "queue-full";
    if (!this.book.holds(cents)) return "total-full";
    let fact = accepted(id, cents, this.#ports.clock.now(), this.#gossip ? homeOf(id, REPLICAS) : this.#settings.self);
    if (this.#recovery.doubtUntil) fact = suspect(fact, this.#recovery.doubtUntil);
    const held = this.#record(fact);
    this.#dispatcher.offer(fact);
    return await this.#cover(id, cents, held);
  }

  find(id: string): Fact | undefined {
    return this.book.get(id);
  }

  async summary(from?: number, to?: number): ReturnType<Payments["summary"]> {
    if (!this.#complete) return undefined;
    const fresh = !this.#gossip || await this.#gossip.exchange(EXCHANGE_MS) || this.#tenure.alone;
    const staleMs = fresh ? null : Math.min(this.#gossip!.silentMs, Number.MAX_SAFE_INTEGER);
    return { summary: this.book.summary(from, to), staleMs };
  }

  async purge(): Promise<void> {
    this.#beginEpoch(this.book.epoch + 1);
    await this.#gossip?.publishEpoch();
  }

  get vitals(): Vitals {
    return { gossip: this.#gossip, store: this.#writer, held: this.#dispatcher.held };
  }

  readiness(): Readiness {
    const notes: string[] = [];
    if (!this.#complete) notes.push(this.#tenure.holds ? "recovering" : "waiting for this replica's lock");
    if (this.#gossip?.linked === false) notes.push(this.#tenure.alone ? "the peer is gone" : "the peer is unreachable");
    if (this.#writer?.trouble) notes.push(this.#writer.trouble);
    return {
      ready: this.#complete && !this.#stopping,
      replica: this.#settings.self,
      ack: this.#ack.now,
      peer: !this.#gossip ? "none" : this.#gossip.linked ? "linked" : "unreachable",
      store: this.#writer?.state ?? "none",
      notes,
      epoch: this.book.epoch,
      queue: this.#dispatcher.waiting,
      pending: this.book.pending.size,
      settled: this.book.settled.size,
      processors: { default: this.#dispatcher.status("default"), fallback: this.#dispatcher.status("fallback") },
    };
  }

  /**
   * Takes nothing new, lets calls finish, stores and hands over what is known.
   *
   * @returns whether the next start finds everything
   */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    this.#poller.stop();
    const late = new Promise<void>((resolve) => this.#ports.clock.after(this.#settings.drainMs, resolve));
    await Promise.race([this.#dispatcher.stop(), late]);
    const held = await this.#gossip?.held() ?? false;
    // who had not recovered, or does not yet know what a crash took, leaves that to the next
    const read = this.#complete && !this.#recovery.reading;
    const knows = read && this.#recovery.recallMs === 0;
    const stored = await this.#writer?.stop(undefined, knows) ?? false;
    // a peer that lives takes over at once: what it does not hold it has to look for in the store
    const clean = read && held || knows && this.#tenure.alone && (stored || this.book.facts().next().done === true);
    this.#tenure.stop(clean);
    this.#gossip?.stop();
    return clean;
  }

  async #cover(id: string, cents: Cents, held: Promise<boolean> | undefined): Promise<Acceptance> {
    const epoch = this.book.epoch;
    if (!await this.#ack.covers(held)) return "uncovered";
    // the same id with another amount may have come in at the peer meanwhile: one of them is the payment
    const known = this.book.get(id);
    // an epoch that began meanwhile may have forgotten the payment, or not
    if (!known && this.book.epoch !== epoch) return "uncovered";
    return known?.cents === cents ? "accepted" : "conflict";
  }

  /** A fact of this replica's making. */
  #record(fact: Fact): Promise<boolean> {
    this.book.fold(fact);
    this.#writer?.note(fact);
    return this.#gossip?.publish(fact) ?? Promise.resolve(false);
  }

  /** A fact of the peer's making. */
  #heard(fact: Fact, seq: number): void {
    if (!this.book.fold(fact)) return;
    if (seq > 0) this.#ports.witness?.heard(fact);
    if (this.#writer) this.#peerBacklog.add(fact, seq);
    const { doubtUntil } = this.#recovery;
    // the peer may not have heard yet that ids come again
    if (doubtUntil && fact.stage === "accepted" && !fact.doubt) this.#record(fact = suspect(fact, doubtUntil));
    this.#dispatcher.offer(fact);
  }

  #beginEpoch(epoch: number): void {
    if (!this.book.purge(epoch)) return;
    this.#ports.witness?.forgot();
    this.#dispatcher.clear();
    this.#peerBacklog.clear();
    this.#writer?.purge(epoch);
    this.#ports.log("info", "a new epoch begins", { epoch });
  }

  /** The store is in an epoch that was begun while the peer could not be heard. Who reads the store finds it there. */
  #adopt(epoch: number): void {
    if (!this.#complete || this.#recovery.reading) return;
    this.#beginEpoch(epoch);
    void this.#gossip?.publishEpoch();
  }

  #linked(): void {
    this.#ports.log("info", "the peer is linked");
    this.#tenure.linked();
    this.#recover();
    this.#dispatcher.wake();
  }

  #parted(why: string): void {
    if (!this.#stopping) this.#ports.log(this.#complete ? "warning" : "info", "the peer is lost", { why });
    // should the peer come back in a new life, that one does not know what the old one had to store
    const unstored = this.#peerBacklog.take();
    if (unstored) { for (const fact of unstored) this.#writer?.note(this.book.get(fact.id) ?? fact); }
    else this.#writer?.rewrite();
    this.#tenure.parted();
    this.#dispatcher.wake();
  }

  #began(left: Left): void {
    this.#left = left;
    this.#recover();
  }

  #tookOver(left: Left): void {
    this.#gossip?.bury();
    if (left) this.#ports.log("warning", "the peer is dead: its payments are taken over", { left });
    if (!this.#complete && !this.#recovering) {
      this.#peerLeft = left;
      return this.#recover();
    }
    if (left === "alone") this.#recovery.doubt((fact) => fact.owner !== this.#settings.self);
    // what it has stored and could not say any more
    if (left !== "") this.#recovery.reread().catch((error) => this.#ports.fail(error));
    this.#dispatcher.wake();
  }

  /** Once it is certain who else lives: from the peer if that knows everything, else from the store. */
  #recover(): void {
    if (this.#complete || this.#recovering || !this.#tenure.holds) return;
    const knows = this.#gossip?.peerComplete ?? false;
    if (!knows && !this.#tenure.alone && !this.#gossip?.linked) return;
    this.#recovering = true;
    const recovered = () => {
      this.#complete = true;
      this.#tenure.recovered();
      this.#dispatcher.wake();
    };
    // the peer knows everything, unless the last life of this replica acted without it
    if (knows && this.#left !== "alone") {
      // what the last life stored and could not say any more
      const asked = this.#left === "" ? this.#recovery.open() : this.#recovery.reread();
      asked.catch((error) => this.#ports.fail(error));
      return recovered();
    }
    this.#recovery.recover(this.#left !== "" || this.#peerLeft !== "").then(() => {
      // the peer may have read the store at another moment, or have been linked before this was known here
      this.#gossip?.resync();
      recovered();
    }).catch((error) => this.#ports.fail(error));
  }
}
