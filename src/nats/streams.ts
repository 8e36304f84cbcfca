/** Which stream is the log: a key of the engine says so, and is only ever changed from the value that it was seen with. @module */
import { jetstream, StorageType } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { errors } from "@nats-io/transport-node";
import { errorLine } from "../errors.ts";
import type { Streams } from "../ledger/stream.ts";
import { ANSWER_MS, type Nats, NatsError } from "./connection.ts";
import { configOf, JetStream, nameOf } from "./stream.ts";

/** The bucket of keys that all replicas share. */
const BUCKET = "galo";
const KEY = "log";
/** How often the key is tried again while nobody knows whether it was changed. */
const TRIES = 10;
/** How long a key may take, in milliseconds, and how often it is asked for: while a bucket is being made nobody answers. */
const KEYS_MS = 500;
const ASKED_MAX = 4;

/** The key `log`: the id of the stream that is the log. */
interface Entry {
  readonly id: string;
  readonly revision: number;
}

/** The keys that the replicas of a cluster share, made by the first that asks; each change is from a revision to the next. */
export type Keys = () => Promise<KV>;

/** Keys that are kept on as many servers as streams are. Rejects with a {@link NatsError} while that is not possible. */
export function keysOf(nats: Nats): Keys {
  const options = { replicas: nats.copies, storage: StorageType.File, history: 1, allow_direct: false };
  const client = jetstream(nats.connection, { timeout: KEYS_MS });
  let made: Promise<KV> | undefined;
  return () =>
    made ??= asked(() => new Kvm(client).create(BUCKET, options)).catch((error) => {
      made = undefined;
      throw error;
    });
}

/** The streams of JetStream. Methods reject with a {@link NatsError}. */
export class JetStreams implements Streams {
  /** Asks nothing yet. @param bytesMax how large a stream may become */
  constructor(private readonly nats: Nats, private readonly keys: Keys, private readonly bytesMax: number) {}

  async current(): Promise<JetStream | undefined> {
    const entry = await this.#entry();
    return entry && await this.#open(entry);
  }

  async begin(first: number, instead: string | undefined): Promise<JetStream> {
    const before = await this.#entry();
    if (before && before.id !== instead) return await this.#open(before);
    // the store keeps it as a UUID
    const id = crypto.randomUUID();
    const config = configOf(id, first, this.nats.copies, this.bytesMax);
    await asked(() => this.nats.manager.streams.add(config));
    const entry = await this.#change(id, before?.revision ?? 0);
    // the store, or replicas that live, have its messages
    const left = entry.id === id ? instead : id;
    if (left) await this.nats.manager.streams.delete(nameOf(left)).catch(() => {});
    return await this.#open(entry);
  }

  /** Sets the key to `id` if it has this revision. @returns the entry afterwards, which may be another replica's */
  async #change(id: string, from: number): Promise<Entry> {
    let why = "";
    for (let i = 0; i < TRIES; i++) {
      try {
        const keys = await this.keys();
        return { id, revision: await keys.put(KEY, id, { previousSeq: from, timeout: ANSWER_MS }) };
      } catch (error) {
        why = errorLine(error);
      }
      // another replica may have changed it, or an earlier try of this one
      const entry = await this.#entry().catch(() => undefined);
      if (entry && entry.revision > from) return entry;
    }
    throw new NatsError("unavailable", `NATS does not say which stream is the log: ${why}`);
  }

  async #open({ id, revision }: Entry): Promise<JetStream> {
    await this.#grow(id).catch(() => {});
    const replaced = () => this.#entry().then((entry) => (entry?.revision ?? 0) > revision, () => false);
    return new JetStream(this.nats, id, replaced);
  }

  /** Raises the limit of a stream that exists. */
  async #grow(id: string): Promise<void> {
    const { config } = await this.nats.manager.streams.info(nameOf(id));
    if (config.max_bytes >= this.bytesMax) return;
    await this.nats.manager.streams.update(nameOf(id), { max_bytes: this.bytesMax });
  }

  async #entry(): Promise<Entry | undefined> {
    const keys = await this.keys();
    const entry = await asked(() => keys.get(KEY));
    return entry ? { id: entry.string(), revision: entry.revision } : undefined;
  }
}

async function asked<T>(question: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await question();
    } catch (error) {
      if (error instanceof errors.TimeoutError && tries < ASKED_MAX) continue;
      throw new NatsError("unavailable", `NATS: ${errorLine(error)}`, { cause: error });
    }
  }
}
