/**
 * The identity of a log. Headers of segments and Postgres hold it in the form of a UUID, `oooooooo-pppp-pppp-cccc-cccccccccccc`:
 * its own part, its parent's, and its cluster's.
 * @module
 */

/** The three parts. */
export interface LogId {
  /** 32 bits that tell it from the other logs of its cluster */
  readonly own: number;
  /** the own part of the log in which its reading begins; means nothing in a cluster's first log */
  readonly parent: number;
  /** what all logs of a cluster share, in text */
  readonly cluster: string;
}

export function parseLogId(text: string): LogId {
  const number = (digits: string) => Number.parseInt(digits, 16);
  return {
    own: number(text.slice(0, 8)),
    parent: number(text.slice(9, 13) + text.slice(14, 18)),
    cluster: text.slice(19),
  };
}

export function formatLogId({ own, parent, cluster }: LogId): string {
  const [o, p] = [own, parent].map((bits) => bits.toString(16).padStart(8, "0")) as [string, string];
  return `${o}-${p.slice(0, 4)}-${p.slice(4)}-${cluster}`;
}
