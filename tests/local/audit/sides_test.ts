import assert from "node:assert/strict";
import { AuditError, Sides } from "../../../src/local/audit/sides.ts";
import { needs } from "../../support/permissions.ts";
import { until } from "../../support/until.ts";

/** What PostgreSQL says to a client that it lets in: AuthenticationOk and ReadyForQuery (PostgreSQL manual, 54.7). */
const WELCOME = new Uint8Array([82, 0, 0, 0, 8, 0, 0, 0, 0, 90, 0, 0, 0, 5, 73]);

Deno.test("a Postgres that hangs in a query ends the audit with one line", needs("net", "env", "read"), async () => {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const hanging = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1_024));
    await connection.write(WELCOME);
    // until the client is gone
    while (await connection.read(new Uint8Array(1_024)).catch(() => null) !== null);
  })();
  const addresses = {
    router: "http://127.0.0.1:1",
    processors: { default: "http://127.0.0.1:1", fallback: "http://127.0.0.1:1" },
    database: `postgres://galo@127.0.0.1:${listener.addr.port}/galo`,
    token: "",
  };
  let ended: unknown;
  new Sides(addresses, 1).store({ from: 0, to: 1 }).then((rows) => ended = rows, (error) => ended = error);
  await until(() => ended !== undefined);
  assert.deepEqual(ended, new AuditError("Postgres (DATABASE_URL) cannot be asked: Query read timeout"));
  await hanging;
});
