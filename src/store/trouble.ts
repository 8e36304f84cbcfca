/** What went wrong with Postgres, in one line for the person who can mend it. @module */
// @ts-types="@types/pg"
import pg from "pg";
import { errorLine } from "../errors.ts";
import { StoreError } from "./store.ts";

/** What a person has to mend: by SQLSTATE (PostgreSQL manual, appendix A). */
const REFUSED: Readonly<Record<string, string>> = {
  "28P01": "the password is wrong",
  "28000": "the user may not log in",
  "3D000": "the database does not exist",
  "42501": "the user lacks a privilege",
  "53100": "the disk is full",
  "25006": "the database is read-only",
};

/** What is wrong with TLS, by the codes of OpenSSL and Node. */
const UNTRUSTED = /^(?:UNABLE_TO|ERR_TLS|ERR_SSL|SELF_SIGNED|DEPTH_ZERO|CERT_)/;

/** What passes by itself. */
const UNAVAILABLE: Readonly<Record<string, string>> = {
  "57P01": "it is shutting down",
  "57P02": "it has crashed and restarts",
  "57P03": "it is starting or stopping",
  "57014": "it took too long",
  "25P03": "it took too long",
  "53300": "it has no connection left",
  "40P01": "two writers met",
  ECONNREFUSED: "nothing listens there",
  ENOENT: "nothing listens there",
  ECONNRESET: "the connection was lost",
  EPIPE: "the connection was lost",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "the host cannot be reached",
  ENOTFOUND: "the host is not known",
  EAI_AGAIN: "the host is not known now",
};

/** What a pooler has to be told (pgbouncer(5)). */
const POOLER = "it is a pooler, whose ignore_startup_parameters must name statement_timeout and " +
  "idle_in_transaction_session_timeout";

/** Without a code: what `pg` says itself. */
const SAID: readonly (readonly [RegExp, string])[] = [
  [/timeout/i, "it does not answer"],
  [/terminated|not queryable|closed|reset by peer|broken pipe/i, "the connection was lost"],
  [/refused|no such file/i, "nothing listens there"],
];

/**
 * An error of `pg`, as a StoreError that says what to do; a mistake of ours is left as it is.
 *
 * @param where the server, without user and password
 */
export function storeError(error: unknown, where: string): Error {
  if (error instanceof StoreError) return error;
  // a mistake in the program, which must not pass for trouble outside
  if ((error instanceof TypeError || error instanceof RangeError) && !("code" in error)) return error;
  const cause = error instanceof AggregateError ? error.errors[0] : error;
  const { code = "", message = String(cause) } = cause as { code?: string; message?: string };
  const line = (text: string) => `Postgres at ${where}: ${text}`;
  const make = (kind: StoreError["kind"], text: string) => new StoreError(kind, line(text), { cause: error });
  if (code === "28000" && message.endsWith("no encryption")) {
    return make("refused", "it does not let the user in without TLS: write sslmode=require or sslmode=verify-full");
  }
  if (REFUSED[code]) return make("refused", REFUSED[code]);
  if (/not support SSL/.test(message)) return make("refused", "it has no TLS: write sslmode=disable");
  if (UNTRUSTED.test(code)) return make("refused", `its certificate is not to be trusted: ${errorLine(cause)}`);
  if (UNAVAILABLE[code]) return make("unavailable", UNAVAILABLE[code]);
  if (/SASL|password must be/.test(message)) return make("refused", "it asks for a password");
  if (/startup parameter/.test(message)) return make("refused", POOLER);
  const said = code.length === 5 ? undefined : SAID.find(([pattern]) => pattern.test(message));
  if (said) return make("unavailable", said[1]);
  // connection exceptions, lack of resources and the like pass; what else a server says, it will say again
  const passes = !/^[0-9A-Z]{5}$/.test(code) || /^(08|40|53|55|57|58)/.test(code);
  return make(passes ? "unavailable" : "refused", `${errorLine(cause)}${code && ` (${code})`}`);
}

/**
 * The server that a URL names, as text without user and password, and its host or the folder of its socket.
 *
 * @throws StoreError where the URL is none
 */
export function serverOf(url: string): { readonly where: string; readonly host: string } {
  try {
    // `postgres://user@/database?host=/a/folder` is a way to name a socket
    const { protocol, username, hostname, port, pathname, searchParams } = new URL(url.replace("@/", "@localhost/"));
    if (protocol !== "postgres:" && protocol !== "postgresql:") throw new TypeError("not of Postgres");
    const user = searchParams.get("user") ?? decodeURIComponent(username);
    // without one it is the user's, as pg has it
    const database = decodeURIComponent(pathname.slice(1)) || new pg.Client(user ? { user } : {}).database;
    const host = searchParams.get("host") ?? (decodeURIComponent(hostname) || "localhost");
    const at = host.startsWith("/") ? host : `${host}:${port || searchParams.get("port") || 5432}`;
    return { where: `${at}, database ${database}`, host };
  } catch {
    throw new StoreError("refused", "DATABASE_URL is no URL of the form postgres://user:password@host:port/database");
  }
}
