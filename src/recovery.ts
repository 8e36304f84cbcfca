/** What a replica needs of its kind of log besides the ledger: a start, and which payments it acts on. @module */
import { type Clock, within } from "./clock.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { NOTHING_STORED } from "./ledger/opening.ts";
import type { LogLimit } from "./ledger/retention.ts";
import { Book } from "./payment/book.ts";
import type { ReplicaId } from "./payment/fact.ts";
import type { Payment } from "./payment/payment.ts";
import { type LogPosition, type Store, type Stored, StoreError } from "./store/store.ts";

/** How long a start waits for the store before it tries with the log alone, in milliseconds. */
export const STORE_WAIT_MS = 3_000;
/** Pause before the store is asked again, in milliseconds. */
export const STORE_AGAIN_MS = 500;

/** The result of an attempt to open the log. */
export type Opened =
  /** facts may be lost if it is `doubted` */
  | { readonly kind: "opened"; readonly doubted: boolean; readonly isAlone?: boolean }
  /** it cannot be opened now: why, and when to try again; `isAlone`: no other replica can take payments meanwhile */
  | {
    readonly kind: "not-opened";
    readonly why: string;
    readonly afterMs?: number | undefined;
    readonly isAlone?: boolean;
  };

/** The snapshot in the store, and the log that goes on from there. */
export interface Known {
  /** the identity of the log */
  readonly logId: string;
  /** where the store was when it was loaded */
  readonly stored: Stored;
  /** see {@link ProjectorParts.isEarlier} */
  readonly isEarlier: (at: LogPosition) => boolean;
  /** whether new payments are refused; in files also deletes what every replica and the store have */
  readonly retention: LogLimit;
  /** Makes the ledger, which begins where the snapshot ends. */
  begin(): Ledger;
}

/** What a log asks of its replica. */
export interface LogHost {
  /** How long ago a peer was heard, in milliseconds. */
  silentMs(peer: ReplicaId): number;
  /** Which of the peers asked for are dead for certain, and which may live. */
  found(dead: readonly ReplicaId[], living: readonly ReplicaId[]): void;
  /** This replica acts on other payments than before: {@link ClusterLog.isOwn}. */
  ownersChanged(): void;
  /** The log is lost: begins nothing more, and writes what is known to the store. */
  giveUp(): Promise<void>;
}

/** The log that all replicas share: files of one machine, or a stream of several. */
export interface ClusterLog {
  /** doubts are dated by its `uptime` */
  readonly clock: Clock;
  /** How long another process may still call for a payment that this replica has taken on, in milliseconds. */
  readonly strayMs: number;
  /** Tries to open it, so that {@link load} finds where to begin. */
  open(): Promise<Opened>;
  /** Loads the store, and finds where in the log that ends; undefined if that is not possible now. */
  load(): Promise<Known | undefined>;
  /** Whether this replica acts on a payment. */
  isOwn(payment: Payment): boolean;
  /** Takes over what these peers own, which are not heard, if it may: called again and again. */
  takeOver(peers: readonly ReplicaId[], ledger: Ledger): void;
  /** A peer is heard again. */
  heard(peer: ReplicaId): void;
  /** Releases it. */
  close(): void;
}

/** A book of what the store holds, and where that ends; an empty one if it does not answer. */
export async function loadStore(
  clock: Clock,
  store: Store | undefined,
): Promise<{ readonly book: Book; readonly stored: Stored; readonly answered: boolean }> {
  try {
    const book = new Book();
    const there = store && await answer(clock, store.stored());
    const stored = there ? await store!.load((payment) => book.load(payment)) : NOTHING_STORED;
    book.restoreDoubt(stored.doubtedUptimeMs);
    return { book, stored, answered: !store || there !== undefined };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { book: new Book(), stored: NOTHING_STORED, answered: false };
  }
}

/** Where the store is, if there is one; undefined if it does not answer, with a `trouble` to append to a reason. */
export async function askStore(
  clock: Clock,
  store: Store | undefined,
): Promise<{ readonly stored: Stored | undefined; readonly trouble: string }> {
  let trouble = "";
  const stored = store ? await answer(clock, store.stored(), (why) => trouble = `: ${why}`) : NOTHING_STORED;
  return { stored, trouble };
}

/** Moves the store to another log, with what it holds. @returns where it is then; undefined if it does not answer, or fails: `failed` gets the reason */
export function moveStore(
  clock: Clock,
  store: Store,
  from: Stored,
  logId: string,
  position: number,
  failed?: (why: string) => void,
): Promise<Stored | undefined> {
  const to = { ...from, logId, position };
  return answer(clock, store.write({ from, to, replacesAll: false, payments: [] }), failed);
}

/** The answer of a store; undefined if there is none in time, or it fails: `failed` gets the reason. */
async function answer<T>(
  clock: Clock,
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
