/**
 * `docker compose up` on a machine that has just been started: the programs' files are in no cache, so their pages count
 * for the containers that read them, and a container without room for them reads them from disk again and again.
 */
import assert from "node:assert/strict";
import { DROP_CACHES } from "../../bench/compose/containers.ts";
import { startLoad } from "../../bench/graded/generator.ts";
import { Compose, docker, needsCompose, URL_9999 } from "./compose.ts";

/** As many as the challenge's final has at its end. */
const USERS = 603;
const SECONDS = 20;

Deno.test("all users of the final are answered on a machine that has just been started", needsCompose(), async () => {
  await using compose = await Compose.up();
  await compose.run("stop");
  await docker(...DROP_CACHES);
  await compose.run("up", "--detach");
  await compose.untilServing();
  const users = { from: USERS, to: USERS };
  const load = startLoad({ url: URL_9999, amount: 19.9, durationSeconds: SECONDS, users, thinkMs: 1_000 }, () => {});
  try {
    const { ok, failed } = await load.done;
    assert.equal(failed, 0);
    assert.ok(ok > USERS * SECONDS / 2, `${ok} answered`);
  } finally {
    await load.stop();
  }
  for (const [service, { State, RestartCount }] of await compose.inspect()) {
    assert.deepEqual([State.OOMKilled, RestartCount], [false, 0], service);
  }
});
