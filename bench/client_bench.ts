/**
 * What a payment costs on its way to a processor: this client beside the plain ways to send the same POST. CPU and
 * memory come from a process for each of them, with a replica's V8 flags, against a server in another process; the
 * times are those of one call after the other.
 * @module
 */
import { Agent, request } from "node:http";
import process from "node:process";
import { Pool } from "undici";
import { HttpProcessorClient } from "../src/processor/client.ts";

/** Calls at one time, and in all, where CPU and memory are measured. */
const CONCURRENT = 32;
const CALLS = 10_000;
const WARM_UP_CALLS = 3_000;
const TIMEOUT_MS = 10_000;
const FLAGS = "--v8-flags=--max-semi-space-size=2,--max-old-space-size=64";
const JSON_TYPE = { "content-type": "application/json" };

const ATTEMPT = { id: "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3", cents: 1990, requestedAt: Date.UTC(2025, 6, 1) };

function bodyOf(): string {
  const requestedAt = new Date(ATTEMPT.requestedAt).toISOString();
  return `{"correlationId":"${ATTEMPT.id}","amount":${ATTEMPT.cents / 100},"requestedAt":"${requestedAt}"}`;
}

/** One call, resolved once the connection can be used again; rejects where it was not answered 200. */
type Send = () => Promise<unknown>;

/** Every way to send, from the URL of a server. */
const WAYS: Readonly<Record<string, (url: string) => Send>> = {
  "HttpProcessorClient": (url) => {
    const urls = { default: url, fallback: url };
    const client = new HttpProcessorClient({ urls, requestTimeoutMs: TIMEOUT_MS, connectionsMax: CONCURRENT });
    return async () => {
      const outcome = await client.pay("default", ATTEMPT);
      if (outcome.kind !== "booked") throw new Error(JSON.stringify(outcome));
    };
  },
  "undici request()": (url) => {
    const pool = new Pool(url, { connections: CONCURRENT, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
    return async () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const { body } = await pool.request({
        path: "/payments",
        method: "POST",
        headers: JSON_TYPE,
        body: bodyOf(),
        signal,
      });
      await body.text();
    };
  },
  "node:http, keep-alive": (url) => {
    const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENT });
    return () =>
      new Promise<void>((resolve, reject) => {
        const sent = request(`${url}/payments`, { method: "POST", agent, headers: JSON_TYPE, timeout: TIMEOUT_MS });
        sent.on("response", (response) => response.on("end", resolve).resume());
        sent.on("error", reject);
        sent.end(bodyOf());
      });
  },
  "fetch, Deno.createHttpClient": (url) => {
    const client = Deno.createHttpClient({ http2: false, poolMaxIdlePerHost: CONCURRENT });
    return async () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const init = { method: "POST", headers: JSON_TYPE, body: bodyOf(), client, signal };
      await (await fetch(`${url}/payments`, init)).text();
    };
  },
};

/** Starts this file as another process, and resolves to the first line that it prints. */
async function start(...args: string[]): Promise<{ readonly child: Deno.ChildProcess; readonly line: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", FLAGS, import.meta.filename!, ...args],
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  for await (const text of lines) return { child, line: text.trim() };
  throw new Error(`${args[0]} ended without a word`);
}

/** In its own process: makes calls, and prints what one costs. */
async function measure(name: string, url: string): Promise<void> {
  const send = WAYS[name]!(url);
  const run = (calls: number) =>
    Promise.all(Array.from({ length: CONCURRENT }, async () => {
      while (calls-- > 0) await send();
    }));
  await run(WARM_UP_CALLS);
  const before = process.cpuUsage();
  await run(CALLS);
  const { user, system } = process.cpuUsage(before);
  const rss = Deno.memoryUsage().rss;
  console.log(`${((user + system) / CALLS).toFixed(0).padStart(4)} µs of CPU, ${(rss / 1e6).toFixed(0)} MB RSS`);
  Deno.exit();
}

async function compare(): Promise<void> {
  const { child: server, line: url } = await start("serve");
  // it must not keep the bench alive, nor outlive it
  server.unref();
  addEventListener("unload", () => server.kill("SIGKILL"));
  for (const name of Object.keys(WAYS)) {
    const { child, line } = await start("measure", name, url);
    await child.status;
    console.log(`${name.padEnd(28)} ${line}`);
  }
  for (const [name, way] of Object.entries(WAYS)) {
    const send = way(url);
    Deno.bench(name, { group: "POST /payments", baseline: name === "HttpProcessorClient" }, async () => {
      await send();
    });
  }
}

function serve(): void {
  const onListen = ({ port }: Deno.NetAddr) => console.log(`http://127.0.0.1:${port}`);
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, async (incoming) => {
    await incoming.text();
    return new Response(`{"message":"payment processed successfully"}`, { headers: JSON_TYPE });
  });
}

const [role, name, url] = Deno.args;
if (role === "serve") serve();
else if (role === "measure") await measure(name!, url!);
else await compare();
