/** The names of all replicas in the order of their codes, kept in a key of the engine, so that another list is refused. @module */
import type { KV } from "@nats-io/kv";
import { errorLine } from "../errors.ts";
import type { ReplicaId } from "../payment/fact.ts";
import { isSameOrder } from "../payment/roster.ts";
import { ANSWER_MS, NatsError } from "./connection.ts";

const KEY = "replicas";

/** Remembers the names. @throws NatsError `refused` if they are those of other replicas */
export async function keepNames(keys: KV, names: readonly ReplicaId[]): Promise<void> {
  try {
    const entry = await keys.get(KEY);
    const known = entry?.string().split(",") ?? [];
    if (!isSameOrder(names, known)) {
      const rule = "names are only added or removed at the end";
      throw new NatsError("refused", `the log of these servers is of REPLICAS=${known}: ${rule}`);
    }
    if (names.length <= known.length) return;
    await keys.put(KEY, `${names}`, { previousSeq: entry?.revision ?? 0, timeout: ANSWER_MS });
  } catch (error) {
    if (error instanceof NatsError) throw error;
    // another replica may have been first: the next try reads what it wrote
    throw new NatsError("unavailable", `NATS does not keep the names of the replicas: ${errorLine(error)}`);
  }
}
