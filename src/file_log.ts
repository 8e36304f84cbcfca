/**
 * The log of one machine, as files that its replicas share. A replica holds the lock of its own name for as long as it
 * lives: whoever gets the lock of another one has proof of its death.
 * @module
 */
import type { Clock } from "./clock.ts";
import { FileLedger } from "./ledger/file_ledger.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { positionOf, type SegmentFiles } from "./ledger/log.ts";
import { parseLogId } from "./ledger/log_id.ts";
import { locate, openLog } from "./ledger/opening.ts";
import { Retention } from "./ledger/retention.ts";
import { SegmentLog } from "./ledger/segment_log.ts";
import { acquireIfPossible, type HeldLock, type Locks } from "./membership/lock.ts";
import type { ReplicaId } from "./payment/fact.ts";
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

/** How often a replica checks that its lock is still its own, in milliseconds. */
const LOCK_CHECK_MS = 5_000;

/** What the log of one machine needs. */
export interface FilePorts {
  /** of the replicas, of opening the log and of polling */
  readonly locks: Locks;
  /** the log's segments */
  readonly files: SegmentFiles;
  /** a number that only this boot of the machine has */
  readonly boot: number;
}

/** The {@link ClusterLog} of one machine. */
export class FileLog implements ClusterLog {
  readonly clock: Clock;
  /** what is taken over is of a process that is dead */
  readonly strayMs = 0;
  readonly #settings: ReplicaSettings;
  readonly #ports: ReplicaPorts & FilePorts;
  #own: HeldLock | undefined;

  /** Opens nothing yet. */
  constructor(settings: ReplicaSettings, ports: ReplicaPorts & FilePorts, private readonly host: LogHost) {
    this.#settings = settings;
    this.#ports = ports;
    this.clock = ports.clock;
  }

  /** One replica at a time opens the log; it holds the lock `log` meanwhile, and its own from then on. */
  async open(): Promise<Opened> {
    const { self, roster, rereads } = this.#settings;
    const { locks, files, boot, store, clock, uuid } = this.#ports;
    const logLock = locks.tryAcquire("log");
    if (!logLock) return { kind: "not-opened", why: "another replica opens the log" };
    try {
      // the store is asked before the lock is taken: another replica may take over meanwhile
      const { stored, trouble } = await askStore(clock, store);
      const own = locks.tryAcquire(self);
      if (!own) return { kind: "not-opened", why: "this replica's lock is held by another process" };
      // one that was removed from the roster may still append
      const others = [...roster.peersOf(self), ...roster.removed].map((name) => locks.tryAcquire(name));
      for (const other of others) other?.release();
      const isAlone = others.every((other) => other !== undefined);
      const [at, uptimeMs] = [clock.now(), clock.uptime()];
      const opening = openLog({
        ...{ files, boot, self, roster, stored, peerHasLock: !isAlone, rereads, at, uptimeMs, uuid },
      });
      let why = opening.kind === "wait" ? opening.why + trouble : "the store did not take the log that begins anew";
      if (opening.kind === "opened" && await this.#moveStore(stored, (reason) => why += `: ${reason}`)) {
        this.#own = own;
        this.#checkLock();
        return { kind: "opened", doubted: opening.doubted, isAlone };
      }
      own.release();
      const isPeerAwaited = opening.kind === "wait" && stored !== undefined;
      return { kind: "not-opened", why, isAlone, afterMs: isPeerAwaited ? undefined : STORE_AGAIN_MS };
    } finally {
      logLock.release();
    }
  }

  async load(): Promise<Known | undefined> {
    const { roster, segmentRecords, segmentsMax, rereads } = this.#settings;
    const { clock, files, boot, store, random, restart } = this.#ports;
    const { book, stored } = await loadStore(clock, store);
    const beginning = locate(files, stored, rereads);
    if (!beginning) return undefined;
    if (beginning.leftovers) book.markLoadedDoubtful();
    const { logId, ...from } = beginning;
    const { parent, cluster } = parseLogId(logId);
    const nonce = Math.floor(random() * 2 ** 32);
    const segments = new SegmentLog({ files, boot, segmentRecords, rereads, gone: restart, ...from });
    const ledger = new FileLedger(segments, nonce, roster, book, stored.hash);
    return {
      ...{ logId, stored, retention: new Retention(files, ledger, segmentsMax), begin: () => ledger },
      // a log begins above every position of the one before it
      isEarlier(at) {
        const before = at.logId === null ? undefined : parseLogId(at.logId);
        return before?.own === parent && before.cluster === cluster && at.position < positionOf(from.liveFrom, 0);
      },
    };
  }

  isOwn({ owner }: Payment): boolean {
    return owner === this.#settings.self;
  }

  /** All that a dead peer wrote is in the log. */
  takeOver(peers: readonly ReplicaId[], ledger: Ledger): void {
    const { locks, clock, say } = this.#ports;
    const held = peers.map((peer) => ({ peer, lock: acquireIfPossible(locks, peer) }));
    const dead = held.filter(({ lock }) => lock).map(({ peer }) => peer);
    if (dead.length > 0) ledger.catchUp();
    for (const from of dead) {
      const by = this.#settings.self;
      let payments = 0;
      for (const { owner } of ledger.book.pending.values()) if (owner === from) payments++;
      const moved = payments > 0 && ledger.append({ kind: "moved", by, from, at: clock.now() });
      if (moved && "kind" in moved && moved.kind === "holds") {
        say("warning", "failover: a peer is dead, and this replica takes over its payments", { peer: from, payments });
      }
    }
    this.host.found(dead, peers.filter((peer) => !dead.includes(peer)));
    for (const { lock } of held) lock?.release();
  }

  heard(): void {}

  close(): void {
    this.#own?.release();
    this.#own = undefined;
  }

  /**
   * Moves the store to a log that began anew, before anything is recorded there: what a dead process sent to the store, and
   * is not committed yet, then comes too late, as it must, since the new log does not have it.
   *
   * @param failed gets the reason of the store if it did not take it
   * @returns whether it does
   */
  async #moveStore(stored: Stored | undefined, failed: (why: string) => void): Promise<boolean> {
    const { clock, files, store } = this.#ports;
    const beginning = stored && locate(files, stored, this.#settings.rereads);
    if (!store || !beginning || beginning.logId === stored.logId) return true;
    const { logId, position } = beginning;
    const now = await moveStore(clock, store, stored, logId, position, failed);
    return now?.logId === logId && now.position === position;
  }

  #checkLock(): void {
    if (!this.#own) return;
    const { fail, clock } = this.#ports;
    if (!this.#own.valid) return fail(new Error("invariant: the file of this replica's lock was replaced"));
    clock.after(LOCK_CHECK_MS, () => this.#checkLock());
  }
}
