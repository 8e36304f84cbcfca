/**
 * Bugs that are planted on purpose, to see that the simulation finds them. They exist in tests only: each replaces
 * methods of the production classes, or wraps a port, for as long as it is planted.
 * @module
 */
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import { positionOf, type SegmentFiles, segmentOf } from "../../src/ledger/log.ts";
import { RECORD_BYTES, RecordBuffer } from "../../src/ledger/record.ts";
import { Book } from "../../src/payment/book.ts";
import { type Fact, released } from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { Totals } from "../../src/payment/totals.ts";
import { PeerLinks } from "../../src/peer/link.ts";
import { Replica } from "../../src/replica.ts";
import { Dispatcher } from "../../src/routing/dispatcher.ts";
import type { Lookup, Outcome } from "../../src/routing/processor_client.ts";
import { Projector } from "../../src/store/projector.ts";
import { Unsaved } from "../../src/store/unsaved.ts";
import { SimulatedClient } from "./client.ts";
import { Disk } from "./disk.ts";
import { Engine } from "./engine.ts";
import type { Stream } from "../../src/ledger/stream.ts";
import { StreamLedger } from "../../src/ledger/stream_ledger.ts";
import { TOLD } from "./plan.ts";
import { Database } from "./store.ts";
import { MemoryLocks } from "../membership/memory_locks.ts";
import type { Life } from "./life.ts";
import { PAIR } from "../support/pair.ts";

/** A bug: planting it returns a function that removes it. */
export type Plant = () => () => void;

/** Replaces a method or a getter by what `make` makes of it. */
function replace<T extends object, K extends keyof T & string>(of: T, name: K, make: (was: T[K]) => T[K]): () => void {
  const was = Object.getOwnPropertyDescriptor(of, name)!;
  const changed = was.get
    ? { ...was, get: make(was.get as T[K]) as () => unknown }
    : { ...was, value: make(was.value) };
  Object.defineProperty(of, name, changed);
  return () => Object.defineProperty(of, name, was);
}

/** Replaces what a processor's answer is taken for. */
function outcomes(change: (outcome: Outcome) => Outcome): () => void {
  return replace(SimulatedClient.prototype, "pay", (pay) =>
    async function (this: SimulatedClient, ...call) {
      return change(await pay.apply(this, call));
    });
}

/** Gives replicas another setting than the run has. */
function told(setting: Partial<typeof TOLD>): () => void {
  const was = { ...TOLD };
  Object.assign(TOLD, setting);
  return () => Object.assign(TOLD, was);
}

/** Changes what a fact makes of a book, before or after it. */
function folds(change: (book: Book, fact: Fact, fold: () => boolean, position: number) => boolean): () => void {
  return replace(Book.prototype, "fold", (was) =>
    function (this: Book, fact, position) {
      return change(this, fact, () => was.call(this, fact, position), position);
    });
}

function pendingOf(book: Book): Map<string, Payment> {
  return book.pending as Map<string, Payment>;
}

const REFUSED: Outcome = { kind: "refused", why: "unreachable" };

/** What is taken of a call's end, an answer and an amount. */
const CALLS: Readonly<Record<string, Plant>> = {
  "binding forgotten on timeout": () => outcomes((outcome) => outcome.kind === "unknown" ? REFUSED : outcome),
  "a gateway's 5xx taken for a refusal": () =>
    outcomes((outcome) => outcome.kind === "unknown" && outcome.error.startsWith("status") ? REFUSED : outcome),
  "500 without a lookup": () => outcomes((outcome) => outcome.kind === "refused-as-far-as-known" ? REFUSED : outcome),
  "already booked taken for refused": () =>
    outcomes((outcome) => outcome.kind === "already-booked" ? REFUSED : outcome),
  "a refusal after an unknown releases": () => {
    const unsure = new Set<string>();
    return replace(SimulatedClient.prototype, "pay", (pay) =>
      async function (this: SimulatedClient, processor, order) {
        const outcome = await pay.call(this, processor, order);
        if (outcome.kind === "unknown") unsure.add(order.id);
        if (outcome.kind !== "refused" || !unsure.delete(order.id)) return outcome;
        const { ledger } = this.world.running[this.life.replica]!.replica;
        const payment = ledger?.book.pending.get(order.id);
        if (payment?.stage === "dispatched") ledger!.append(released(payment, this.life.replica, 0, "failed", false));
        return outcome;
      });
  },
  "released by a lookup before the horizon": () => told({ horizon: 0 }),
  "no answer to a lookup taken for absent": () =>
    replace(
      SimulatedClient.prototype,
      "lookup",
      (was) =>
        async function (this: SimulatedClient, ...call): Promise<Lookup> {
          const lookup = await was.apply(this, call);
          return lookup.kind === "unanswered" ? { kind: "absent" } : lookup;
        },
    ),
  "money in floats": () =>
    replace(
      SimulatedClient.prototype,
      "pay",
      (was) =>
        function (this: SimulatedClient, processor, { cents, ...order }) {
          return was.call(this, processor, { ...order, cents: Math.trunc(cents / 100 * 100) });
        },
    ),
};

/** What becomes of facts. */
const FACTS: Readonly<Record<string, Plant>> = {
  "folded by arrival instead of log order": () => {
    const early = new WeakMap<Book, Fact>();
    const append = replace(FileLedger.prototype, "append", (was) =>
      function (this: FileLedger, fact) {
        if (this.book.fold(fact, this.position)) early.set(this.book, fact);
        return was.call(this, fact);
      });
    const fold = folds((book, fact, as) => {
      const own = early.get(book);
      if (!own || own.kind !== fact.kind || own.by !== fact.by || own.at !== fact.at) return as();
      if ("id" in own && own.id !== (fact as typeof own).id) return as();
      early.delete(book);
      return true;
    });
    return () => [append, fold].forEach((undo) => undo());
  },
  "holds decided before reading back": () =>
    replace(FileLedger.prototype, "append", (was) =>
      function (this: FileLedger, fact) {
        const receipt = was.call(this, fact);
        if (receipt.kind !== "void" || !receipt.payment) return receipt;
        const cents = fact.kind === "accepted" ? fact.cents : receipt.payment.cents;
        return { kind: "holds", payment: { ...receipt.payment, cents } };
      }),
  "doubt kept only in memory": () =>
    replace(Database.prototype, "of", (was) =>
      function (this: Database, life) {
        const store = was.call(this, life);
        return {
          ...store,
          stored: async () => ({ ...await store.stored(), doubtedUptimeMs: null }),
          load: async (visit) => {
            const stored = await store.load((payment) => visit({ ...payment, doubtedUptimeMs: null }));
            return { ...stored, doubtedUptimeMs: null };
          },
        };
      }),
  "accepted in the recall window without doubt": () => told({ recall: 0 }),
  "a purge forgets a binding": () =>
    folds((book, fact, as) => {
      const holds = as();
      if (fact.kind === "purged") pendingOf(book).clear();
      return holds;
    }),
  "a move forgets a binding": () =>
    folds((book, fact, as) => {
      const holds = as();
      if (fact.kind !== "moved") return holds;
      for (const [id, payment] of pendingOf(book)) {
        if (payment.owner === fact.by) pendingOf(book).set(id, { ...payment, stage: "released" });
      }
      return holds;
    }),
  "a move without the lock": () =>
    replace(MemoryLocks.prototype as MemoryLocks<Life>, "of", (was) =>
      function (this: MemoryLocks<Life>, life, may) {
        const lock = was.call(this, life, may);
        return {
          tryAcquire: (name) => {
            const held = lock.tryAcquire(name);
            const isPeer = ![life.replica, "log", "poll"].includes(name);
            if (held || !isPeer || this.holder("log") === life) return held;
            return { valid: true, release() {} };
          },
        };
      }),
  "what was taken over is not dispatched": () =>
    replace(Dispatcher.prototype, "folded", (was) =>
      function (this: Dispatcher, fact, ...more) {
        if (fact.kind !== "moved") was.call(this, fact, ...more);
      }),
  "a start does not read the log to its end": () => {
    const begun = new WeakSet<FileLedger>();
    return replace(FileLedger.prototype, "catchUp", (was) =>
      function (this: FileLedger) {
        if (begun.has(this)) return was.call(this);
        begun.add(this);
        this.book.fold = () => true;
        was.call(this);
        delete (this.book as Partial<Book>).fold;
      });
  },
  "a summary without catching up": () =>
    replace(Replica.prototype, "summary", () =>
      function (this: Replica, from, to) {
        return this.ledger?.book.summary(from, to);
      }),
  "off by one in the window": () =>
    replace(Totals.prototype, "window", (was) =>
      function (this: Totals, from = -Infinity, to = Infinity) {
        return was.call(this, from - 1, to + 1);
      }),
};

/** What becomes of files and of the store. */
const STORES: Readonly<Record<string, Plant>> = {
  "a bad record taken for one at once": () => told({ rereads: 0 }),
  "a segment deleted before the store holds it": () =>
    replace(Projector.prototype, "position", (was) =>
      function (this: Projector) {
        const position = (was as unknown as () => number).call(this);
        return positionOf(segmentOf(position) + 1, 0);
      } as never),
  "a segment deleted before the peer has read it": () =>
    replace(PeerLinks.prototype, "all", (was) =>
      function (this: PeerLinks) {
        const all = (was as unknown as () => PeerLinks["all"]).call(this);
        return all.map((link) => Object.create(link, { position: { value: Infinity } }));
      } as never),
  "a segment's number used again": () =>
    replace(Disk.prototype, "of", (was) =>
      function (this: Disk, life) {
        return numberedAnew(was.call(this, life));
      }),
  "the store's position committed apart from its rows": () =>
    replace(Database.prototype, "of", (was) =>
      function (this: Database, life) {
        const store = was.call(this, life);
        return {
          ...store,
          write: async (batch) => {
            const payments = [...batch.payments];
            const now = await store.write({ ...batch, payments: [] });
            if (now.position !== batch.to.position) return now;
            return await store.write({ ...batch, from: batch.to, replacesAll: false, payments });
          },
        };
      }),
  "what a store lost that went back is not written again": () =>
    replace(Unsaved.prototype, "markAll", (was) =>
      function (this: Unsaved, position, nowMs) {
        // a purge says so at its own position
        if (new Error().stack!.includes("folded")) was.call(this, position, nowMs);
      }),
  "acknowledged before the commit": () => replace(Projector.prototype, "covered", () => () => Promise.resolve(true)),
  "a duplicate acknowledged before the commit": () =>
    replace(Replica.prototype, "accept", (was) =>
      function (this: Replica, id, cents) {
        return this.ledger?.book.get(id)?.cents === cents ? "accepted" : was.call(this, id, cents);
      }),
};

/** Begins a log anew with the number after the last that is there, whatever the store knows. */
function numberedAnew(files: SegmentFiles): SegmentFiles {
  return {
    ...files,
    create: (segment, records) => {
      const [first, rest] = [new RecordBuffer(PAIR), records.slice()];
      first.bytes.set(records.subarray(0, RECORD_BYTES));
      const header = first.read();
      if (header.kind !== "header" || !header.base) return files.create(segment, records);
      const number = (files.list().at(-1) ?? 0) + 1;
      const readFrom = Math.min(header.base.readFrom, positionOf(number, 0));
      rest.set(first.write({ ...header, segment: number, base: { ...header.base, readFrom } }, 0).bytes);
      return files.create(number, rest);
    },
  };
}

/** Changes the stream of every process. */
function streams(change: (stream: Stream) => Partial<Stream>): () => void {
  return replace(Engine.prototype, "open", (open) =>
    function (this: Engine, ...process) {
      const stream = open.apply(this, process);
      const { id } = stream;
      return {
        get isOverLimit() {
          return stream.isOverLimit;
        },
        ...{ id, publish: stream.publish.bind(stream), tail: stream.tail.bind(stream) },
        ...{ state: stream.state.bind(stream), close: stream.close.bind(stream), ...change(stream) },
      };
    });
}

/** Bugs in what the replica does about the engine's answers and silent peers. */
export const HOST_PLANTS: Readonly<Record<string, Plant>> = {
  "the newest fact expected instead of the one that it was made from": () => {
    const append = replace(StreamLedger.prototype, "append", (was) =>
      async function (this: StreamLedger, fact) {
        const receipt = await was.call(this, fact);
        const now = receipt.kind === "void" && "over" in fact ? this.book.pending.get(fact.id) : undefined;
        return now ? await was.call(this, { ...fact, over: now.position } as Fact) : receipt;
      });
    // what the engine took is what counts
    const fold = replace(Book.prototype, "fold", (was) =>
      function (this: Book, fact, position) {
        const now = "over" in fact ? this.pending.get(fact.id) : undefined;
        if (now && fact.kind === "dispatched") pendingOf(this).set(now.id, { ...now, stage: "released" });
        return was.call(this, now ? { ...fact, over: now.position } as Fact : fact, position);
      });
    return () => [append, fold].forEach((undo) => undo());
  },
  "released after a takeover": () =>
    folds((book, fact, as) => {
      const before = fact.kind === "dispatched" ? book.pending.get(fact.id) : undefined;
      const holds = as();
      if (holds && before?.stage === "dispatched") {
        pendingOf(book).set(before.id, { ...book.pending.get(before.id)!, stage: "released" });
      }
      return holds;
    }),
  "a read that decides how far the log is": () => {
    const of = new WeakMap<StreamLedger, Stream>();
    let newest: Stream | undefined;
    const open = streams((stream) => ({
      tail(position, events) {
        newest = stream;
        stream.tail(position, events);
      },
    }));
    const streamOf = (ledger: StreamLedger) => {
      if (!of.has(ledger)) of.set(ledger, newest!);
      return of.get(ledger)!;
    };
    const observe = replace(StreamLedger.prototype, "observe", (was) =>
      function (this: StreamLedger, observer) {
        streamOf(this);
        was.call(this, observer);
      });
    const barrier = replace(StreamLedger.prototype, "barrier", () =>
      async function (this: StreamLedger) {
        const state = await streamOf(this).state();
        return state !== undefined && this.position > state.last;
      });
    return () => [open, observe, barrier].forEach((undo) => undo());
  },
  "a heartbeat taken for proof that nothing was missed": () =>
    replace(StreamLedger.prototype, "isCurrent", () => (() => true) as never),
  "a timeout of the engine taken for a no": () => {
    const nothing = new RecordBuffer(PAIR).write({ kind: "barrier" }, 0).bytes;
    return streams((stream) => {
      const given = new Set<string>();
      return {
        async publish(subject, bytes, over) {
          const text = bytes.join();
          const published = await stream.publish(subject, bytes, over);
          if (published.kind !== "unknown" || over === undefined) return published;
          given.add(text);
          return { kind: "full" };
        },
        tail(position, { read, heard, lost }) {
          const unless = (bytes: Uint8Array) => given.has(bytes.join()) ? nothing : bytes;
          stream.tail(position, { heard, lost, read: (position, bytes) => read(position, unless(bytes)) });
        },
      };
    });
  },
};

/** Every bug, by what is broken. */
export const PLANTS: Readonly<Record<string, Plant>> = { ...CALLS, ...FACTS, ...STORES };
