/**
 * The identity of a log: a UUID in headers of segments and in Postgres, `oooooooo-pppp-pppp-cccc-cccccccccccc`, made of its
 * own part, its parent's, and its cluster's.
 * @module
 */
import { readId, writeId } from "../payment/id.ts";

/** The three parts. */
interface LogId {
  /** 32 bits, different from those of the cluster's other logs */
  readonly own: number;
  /** the own part of the log in which its reading begins; in a cluster's first log a random number, and so no log's */
  readonly parent: number;
  /** the part that all logs of a cluster share, in text */
  readonly cluster: string;
}

/** Reads the identity of a log, a UUID. */
export function parseLogId(text: string): LogId {
  const words = new Uint32Array(4);
  writeId(text, words, 0);
  return { own: words[0]!, parent: words[1]!, cluster: text.slice(19) };
}

/** The same as a UUID. */
export function formatLogId({ own, parent, cluster }: LogId): string {
  return readId(Uint32Array.of(own, parent, 0, 0), 0).slice(0, 19) + cluster;
}
