/**
 * As little as a replica can do: reads a payment's JSON and answers 202. `trivial.ts PATH` listens on that UNIX socket.
 * @module
 */
const [path] = Deno.args as [string];
// the one before may have died
await Deno.remove(path).catch(() => {});
const server = Deno.serve({ path }, async (request) => {
  await request.json();
  return new Response(null, { status: 202 });
});
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  Deno.exit(0);
});
