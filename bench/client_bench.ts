/**
 * One payment to a processor: the client of the house (undici), Deno's fetch, and node:http, each against a trivial server
 * in another process. Groups: one call at a time, and fifty at once.
 * @module
 */
import { Agent, request } from "node:http";
import { Pool } from "undici";
import { HttpProcessorClient } from "../src/processor/client.ts";

const AT_ONCE = 50;
const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const BODY = `{"correlationId":"${ID}","amount":19.9,"requestedAt":"2025-07-01T12:00:00.000Z"}`;
const HEADERS = { "content-type": "application/json" };
const SERVER = `
  import { createServer } from "node:http";
  const text = '{"message":"payment processed successfully"}';
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": text.length }).end(text);
    });
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

const server = new Deno.Command(Deno.execPath(), { args: ["eval", SERVER], stdout: "piped" }).spawn();
const { value } = await server.stdout.getReader().read();
const url = `http://127.0.0.1:${Number(new TextDecoder().decode(value))}`;
addEventListener("unload", () => server.kill("SIGKILL"));

const client = new HttpProcessorClient({
  urls: { default: url, fallback: url },
  requestTimeoutMs: 5_000,
  connectionsMax: AT_ONCE,
});
const pool = new Pool(url, { connections: AT_ONCE, pipelining: 1 });
const denoClient = Deno.createHttpClient({ poolMaxIdlePerHost: AT_ONCE });
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

const WAYS: Readonly<Record<string, () => Promise<void>>> = {
  "the client of the house (undici dispatch)": async () => {
    const { kind } = await client.pay("default", { id: ID, cents: 1990, requestedAt: Date.UTC(2025, 6, 1, 12) });
    if (kind !== "booked") throw new Error(kind);
  },
  "undici Pool.request": async () => {
    const signal = AbortSignal.timeout(5_000);
    const { body } = await pool.request({ method: "POST", path: "/payments", headers: HEADERS, body: BODY, signal });
    await body.text();
  },
  "Deno fetch with createHttpClient": async () => {
    const signal = AbortSignal.timeout(5_000);
    const init = { method: "POST", headers: HEADERS, body: BODY, client: denoClient, signal };
    await (await fetch(`${url}/payments`, init)).text();
  },
  "node:http with a keep-alive agent": () =>
    new Promise((resolve, reject) => {
      const init = { method: "POST", headers: { ...HEADERS, "content-length": BODY.length }, agent, timeout: 5_000 };
      request(`${url}/payments`, init, (response) => response.resume().on("end", resolve)).on("error", reject).end(
        BODY,
      );
    }),
};

for (const [index, [name, pay]] of Object.entries(WAYS).entries()) {
  const baseline = index === 0;
  Deno.bench(name, { group: "one payment", baseline }, async () => await pay());
  Deno.bench(`${name}, ${AT_ONCE} at once`, { group: `${AT_ONCE} payments at once`, baseline }, async () => {
    await Promise.all(Array.from({ length: AT_ONCE }, pay));
  });
}
