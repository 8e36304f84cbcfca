/**
 * The least that a replica can do: it reads a payment's JSON and answers 202. `trivial.ts PATH` listens on that UNIX
 * socket; `trivial.ts PATH URL` also sends each payment to the processor there, with as little HTTP as possible, several
 * at a time, as Galo does: no replica can save this work.
 * @module
 */
const [path, url] = Deno.args as [string, string?];
/** How long the first of several calls waits for the others, in milliseconds: as in src/routing/turns.ts. */
const TURN_MS = 10;
const { hostname, port, host } = new URL(url || "http://none");
const encoder = new TextEncoder();
const answer = new Uint8Array(4096);
const idle: Deno.Conn[] = [];
let waiting: { correlationId: string; amount: number }[] = [];

/** Ignores the answer; the only trouble is the death of the processor. */
async function pay(text: string): Promise<void> {
  const connection = idle.pop() ?? await Deno.connect({ hostname, port: Number(port || 80) });
  await connection.write(encoder.encode(text));
  if (await connection.read(answer) !== null) idle.push(connection);
}

function payAll(): void {
  for (const { correlationId, amount } of waiting) {
    const body = `{"correlationId":"${correlationId}","amount":${amount},"requestedAt":"${new Date().toISOString()}"}`;
    const head = `POST /payments HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json`;
    pay(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  }
  waiting = [];
}

// the one before may have died
await Deno.remove(path).catch(() => {});
const server = Deno.serve({ path }, async (request) => {
  const payment = await request.json();
  if (url && waiting.push(payment) === 1) setTimeout(payAll, TURN_MS);
  return new Response(null, { status: 202 });
});
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  Deno.exit(0);
});
