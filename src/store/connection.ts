/** DATABASE_URL as options of `pg`: each part is used or refused, and `sslmode` means what it does in libpq. @module */
// @ts-types="@types/pg"
import type pg from "pg";
import { errorLine } from "../errors.ts";
import { StoreError } from "./store.ts";
import { serverOf } from "./trouble.ts";

/** The parameters that `pg` reads itself. */
const HEEDED = ["host", "port", "user", "password", "options", "application_name"];

/**
 * How to connect to the server of a URL.
 *
 * @throws StoreError with one line if the URL is none, or has a parameter that is not supported
 */
export function connectionOf(url: string): pg.ClientConfig {
  if (url.includes("#")) throw refused("write %23 for a # in it");
  const { host, port } = serverOf(url);
  if (Number(port) === 0) throw refused("nothing listens on port 0");
  const [base = "", query] = url.split(/\?(.*)/s);
  if (query === "") throw refused("nothing comes after the ?: remove it");
  const said = [...new URLSearchParams(query)];
  const twice = said.find(([name], n) => said.findIndex(([other]) => other === name) < n);
  if (twice) throw refused(`${twice[0]} stands more than once`);
  const { sslmode, sslrootcert, sslcert, sslkey, ...others } = Object.fromEntries(said);
  for (const name of Object.keys(others)) {
    if (name === "ssl") throw refused("write sslmode=require or sslmode=verify-full for ssl");
    if (!HEEDED.includes(name)) throw refused(`${name} is not supported: remove it`);
  }
  const ssl = tlsOf(sslmode, { ca: sslrootcert, cert: sslcert, key: sslkey });
  const connectionString = `${base}?${new URLSearchParams(others)}`;
  // a socket has no TLS, whatever the URL says
  return { connectionString, ssl: host.startsWith("/") ? false : ssl };
}

function tlsOf(mode = "disable", paths: Readonly<Record<string, string | undefined>>): pg.ClientConfig["ssl"] {
  if (mode === "disable") return false;
  if (!["require", "verify-ca", "verify-full"].includes(mode)) {
    throw refused(`sslmode=${mode} is not supported: write disable, require, verify-ca or verify-full`);
  }
  const isSystem = paths.ca === "system";
  if (mode === "verify-ca" && !paths.ca || mode !== "verify-full" && isSystem) {
    throw refused("write sslmode=verify-full, or the path of a certificate as sslrootcert");
  }
  const files = Object.entries(paths).filter(([name, path]) => path && !(name === "ca" && isSystem));
  const tls = Object.fromEntries(files.map(([name, path]) => [name, read(path!)]));
  if (mode === "verify-full") return tls;
  return tls.ca ? { ...tls, checkServerIdentity: () => undefined } : { ...tls, rejectUnauthorized: false };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw refused(`${path} cannot be read: ${errorLine(error)}`);
  }
}

function refused(what: string): StoreError {
  return new StoreError("refused", `DATABASE_URL: ${what}`);
}
