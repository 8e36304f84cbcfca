/** The trouble of Postgres, in one line for the person who can fix it. @module */
// @ts-types="@types/pg"
import pg from "pg";
import { errorLine } from "../errors.ts";
import { StoreError } from "./store.ts";

/** The setting that a pooler needs (pgbouncer(5)). */
const POOLER = "it is a pooler, whose ignore_startup_parameters must name statement_timeout and " +
  "idle_in_transaction_session_timeout";
const NO_TLS = "it does not let the user in without TLS: write sslmode=require or sslmode=verify-full";

/**
 * Patterns of code and message, and what they mean; the first that matches counts. Codes are SQLSTATEs (PostgreSQL manual,
 * appendix A), or those of the system, OpenSSL and Node; errors of `pg` itself have none. `$` is the message.
 */
const TROUBLE: readonly (readonly [RegExp, StoreError["kind"], string])[] = [
  [/^28000 .*no encryption$/s, "refused", NO_TLS],
  [/no PostgreSQL user name/, "refused", "it asks for a user"],
  [/^28P01 /, "refused", "the password is wrong"],
  [/^28000 /, "refused", "the user may not log in"],
  [/^3D000 /, "refused", "the database does not exist"],
  [/^42501 /, "refused", "the user lacks a privilege"],
  [/^53100 /, "refused", "the disk is full"],
  [/^25006 /, "refused", "the database is read-only"],
  [/not support SSL/, "refused", "it has no TLS: write sslmode=disable"],
  [/^(?:UNABLE_TO|ERR_TLS|ERR_SSL|SELF_SIGNED|DEPTH_ZERO|CERT_)/, "refused", "its certificate is not to be trusted: $"],
  [/^57P01 /, "unavailable", "it is shutting down"],
  [/^57P02 /, "unavailable", "it has crashed and restarts"],
  [/^57P03 /, "unavailable", "it is starting or stopping"],
  [/^(?:57014|25P03) /, "unavailable", "it took too long"],
  [/^53300 /, "unavailable", "it has no connection left"],
  [/^40P01 /, "unavailable", "two writers met"],
  [/^(?:ECONNREFUSED|ENOENT) /, "unavailable", "nothing listens there"],
  [/^(?:ECONNRESET|EPIPE) /, "unavailable", "the connection was lost"],
  [/^ETIMEDOUT /, "unavailable", "it does not answer"],
  [/^EHOSTUNREACH /, "unavailable", "the host cannot be reached"],
  [/^ENOTFOUND /, "unavailable", "the host is not known"],
  [/^EAI_AGAIN /, "unavailable", "the host is not known now"],
  [/SASL|password must be/, "refused", "it asks for a password"],
  [/startup parameter/, "refused", POOLER],
  [/^(?!\w{5} ).*timeout/is, "unavailable", "it does not answer"],
  [
    /^(?!\w{5} ).*(?:terminated|not queryable|closed|reset by peer|broken pipe)/is,
    "unavailable",
    "the connection was lost",
  ],
  [/^(?!\w{5} ).*(?:refused|no such file)/is, "unavailable", "nothing listens there"],
];

/**
 * An error of `pg`, as a StoreError that says what to do; a bug of ours is returned as it is.
 *
 * @param where the server, without user and password
 */
export function storeError(error: unknown, where: string): Error {
  if (error instanceof StoreError) return error;
  // a bug of ours, which must not pass for trouble outside
  if ((error instanceof TypeError || error instanceof RangeError) && !("code" in error)) return error;
  const cause = error instanceof AggregateError ? error.errors[0] : error;
  const { code = "", message = String(cause) } = cause as { code?: string; message?: string };
  const make = (kind: StoreError["kind"], text: string) =>
    new StoreError(kind, `Postgres at ${where}: ${text}`, { cause: error });
  const [, kind, means = ""] = TROUBLE.find(([pattern]) => pattern.test(`${code} ${message}`)) ?? [];
  if (kind) return make(kind, means.replace("$", () => errorLine(cause)));
  // connection exceptions, lack of resources and the like are temporary; other errors would come again
  const passes = !/^[0-9A-Z]{5}$/.test(code) || /^(08|40|53|55|57|58)/.test(code);
  return make(passes ? "unavailable" : "refused", `${errorLine(cause)}${code && ` (${code})`}`);
}

/**
 * The server that a URL names, as text without user and password, and its host or the folder of its socket.
 *
 * @throws StoreError if the URL is none
 */
export function serverOf(url: string): { readonly where: string; readonly host: string; readonly port: string } {
  try {
    // `postgres://user@/database?host=/a/folder` is a way to name a socket
    const { protocol, username, hostname, port: own, pathname, search, searchParams } = new URL(
      url.replace("@/", "@-/"),
    );
    // a "@" after a "/" or "?" belongs to a password with one of these, which would be shown as a host or database
    const isSpoilt = /@/.test(pathname) || /^[^=]*@/.test(search);
    if (isSpoilt || !/^postgres(?:ql)?:$/.test(protocol)) throw new TypeError("not of Postgres");
    const user = searchParams.get("user") ?? decodeURIComponent(username);
    // missing parts come from the shell's PG variables or the user's name, as in pg
    const shell = new pg.Client(user ? { user } : {});
    const database = decodeURIComponent(pathname.slice(1)) || shell.database;
    const host = searchParams.get("host") ?? (decodeURIComponent(hostname).replace(/^-$/, "") || shell.host);
    const port = own || searchParams.get("port") || `${shell.port}`;
    return { where: `${host.startsWith("/") ? host : `${host}:${port}`}, database ${database}`, host, port };
  } catch {
    throw new StoreError("refused", "DATABASE_URL is no URL of the form postgres://user:password@host:port/database");
  }
}
