/**
 * The start of a replica: it takes its lock, opens the log, loads the snapshot in the store, and replays the log from there.
 * @module
 */
import { within } from "./clock.ts";
import { FileLedger } from "./ledger/file_ledger.ts";
import { type Beginning, locate, NOTHING_STORED, openLog } from "./ledger/opening.ts";
import { SegmentLog } from "./ledger/segment_log.ts";
import type { HeldLock } from "./membership/lock.ts";
import { Book } from "./payment/book.ts";
import type { ReplicaPorts, ReplicaSettings } from "./replica.ts";
import { type Stored, StoreError } from "./store/store.ts";

/** How long a start waits for the store before it tries to do with the log alone, in milliseconds. */
export const STORE_WAIT_MS = 3_000;

/** The result of a recovery. */
interface Known {
  readonly ledger: FileLedger;
  /** the identity of the log */
  readonly logId: string;
  /** where the store was when it was loaded */
  readonly stored: Stored;
}

/** Pause before the store is asked again, in milliseconds. */
export const STORE_AGAIN_MS = 500;

/** The lock of this replica, or why there is no lock or no log now, and when to try again. */
type Claim =
  | { readonly own: HeldLock; readonly doubted: boolean; readonly isAlone: boolean }
  | { readonly why: string; readonly afterMs?: number; readonly isAlone?: boolean };

/**
 * Takes this replica's lock and opens the log. One replica at a time does so; it holds the lock `log` meanwhile, and its
 * own from then on.
 */
export async function claimAndOpen(settings: ReplicaSettings, ports: ReplicaPorts): Promise<Claim> {
  const { self, roster, rereads } = settings;
  const { locks, files, boot, store, clock, uuid } = ports;
  const logLock = locks.tryAcquire("log");
  if (!logLock) return { why: "another replica opens the log" };
  try {
    // the store is asked before the lock is taken: another replica may take over meanwhile
    let trouble = "";
    const stored = store ? await answer(ports, store.stored(), (why) => trouble = `: ${why}`) : NOTHING_STORED;
    const own = locks.tryAcquire(self);
    if (!own) return { why: "this replica's lock is held by another process" };
    const others = roster.peersOf(self).map((name) => locks.tryAcquire(name));
    for (const other of others) other?.release();
    const isAlone = others.every((other) => other !== undefined);
    const [at, uptimeMs] = [clock.now(), clock.uptime()];
    const opening = openLog({ files, boot, self, roster, stored, peerHasLock: !isAlone, rereads, at, uptimeMs, uuid });
    const follows = opening.kind === "opened" && await moveStoreTo(ports, stored, rereads);
    if (follows) return { own, doubted: opening.doubted, isAlone };
    own.release();
    const why = opening.kind === "wait" ? opening.why + trouble : "the store did not take the log that begins anew";
    return { why, isAlone, ...!stored && { afterMs: STORE_AGAIN_MS } };
  } finally {
    logLock.release();
  }
}

/**
 * Moves the store to a log that began anew, before anything is recorded there: what a dead process sent to the store, and
 * is not committed yet, then comes too late, as it must, since the new log does not have it.
 *
 * @returns whether it does
 */
async function moveStoreTo(ports: ReplicaPorts, stored: Stored | undefined, rereads: number): Promise<boolean> {
  const { files, store } = ports;
  const beginning = stored && locate(files, stored, rereads);
  if (!store || !beginning || beginning.logId === stored.logId) return true;
  const to = { ...stored, logId: beginning.logId, position: beginning.position };
  const now = await answer(ports, store.write({ from: stored, to, replacesAll: false, payments: [] }));
  return now?.logId === to.logId && now.position === to.position;
}

/**
 * Loads the store and finds the position in the log where that ends.
 *
 * @param gone called when the log loses records that are not read yet
 * @returns undefined if that is not possible now
 */
export async function load(
  settings: ReplicaSettings,
  ports: ReplicaPorts,
  gone: (why: string) => void,
): Promise<Known | undefined> {
  const { roster, segmentRecords, rereads } = settings;
  const { files, boot, store, random } = ports;
  let book = new Book();
  let stored = NOTHING_STORED;
  try {
    const there = store && await answer(ports, store.stored());
    if (there) stored = await store!.load((payment) => book.load(payment));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    book = new Book();
    stored = NOTHING_STORED;
  }
  book.restoreDoubt(stored.doubtedUptimeMs);
  const beginning: Beginning | undefined = locate(files, stored, rereads);
  if (!beginning) return undefined;
  if (beginning.leftovers) book.markLoadedDoubtful();
  const { logId, ...from } = beginning;
  const nonce = Math.floor(random() * 2 ** 32);
  const segments = new SegmentLog({ files, boot, segmentRecords, rereads, gone, ...from });
  return { ledger: new FileLedger(segments, nonce, book, stored.hash, roster), logId, stored };
}

/** The answer of a store; undefined if there is none in time, or it fails: `failed` gets the reason. */
async function answer<T>(
  { clock }: ReplicaPorts,
  asked: Promise<T>,
  failed: (why: string) => void = () => {},
): Promise<T | undefined> {
  try {
    return await within(clock, STORE_WAIT_MS, asked);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    failed(error.message);
    return undefined;
  }
}
