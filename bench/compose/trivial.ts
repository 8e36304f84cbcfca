/**
 * As little as a replica can do: reads a payment's JSON and answers 202. `trivial.ts PATH` listens on that UNIX socket;
 * `trivial.ts PATH URL` also brings each payment to the processor there, with as little HTTP as can be, several at a
 * time, as Galo does: that much no replica can save.
 * @module
 */
const [path, url] = Deno.args as [string, string?];
/** Milliseconds between the first of several calls and what comes with it: as src/routing/turns.ts has it. */
const TURN_MS = 80;
const { hostname, port, host } = new URL(url || "http://none");
const encoder = new TextEncoder();
const answer = new Uint8Array(4096);
const idle: Deno.Conn[] = [];
let waiting: { correlationId: string; amount: number }[] = [];

/** Nothing is made of the answer, and there is no other trouble than the processor's death. */
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
