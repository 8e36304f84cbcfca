import assert from "node:assert/strict";
import { acceptFrom } from "../src/connections.ts";

Deno.test("a connection that left before it was accepted holds up none; any other failure is reported, and accepting goes on", async () => {
  const { BadResource, ConnectionAborted, ConnectionReset, NotConnected } = Deno.errors;
  const full = new Error("Too many open files");
  const [first, second] = [{}, {}] as Deno.TcpConn[];
  const events = [
    new NotConnected(),
    new ConnectionReset(),
    first,
    new ConnectionAborted(),
    full,
    second,
    new BadResource(),
  ];
  const listener = {
    accept() {
      const event = events.shift()!;
      return event instanceof Error ? Promise.reject(event) : Promise.resolve(event);
    },
  } as Deno.TcpListener;
  const seen: unknown[] = [];
  await acceptFrom(listener, (connection) => seen.push(connection), (why) => seen.push(why));
  assert.deepEqual(seen, [first, full, second]);
  assert.deepEqual(events, []);
});
