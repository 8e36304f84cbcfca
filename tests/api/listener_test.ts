import assert from "node:assert/strict";
import { Listener } from "../../src/api/listener.ts";
import type { Listen } from "../../src/config.ts";
import { StartError } from "../../src/errors.ts";
import { needs } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";

const real = needs("net", "read", "write");

function listener(listen: Listen, answer = "") {
  const failed = (why: string) => assert.fail(why);
  return new Listener({ listen, shared: false, handler: () => new Response(answer), failed });
}

async function socketOf(test: (path: string) => Promise<void>): Promise<void> {
  using temp = new TempFolder();
  const folder = temp.path;
  await test(`${folder}/galo.sock`);
}

async function ask(path: string): Promise<string> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  return await (await fetch("http://localhost/", { client })).text();
}

Deno.test("a socket on which another process listens is left alone", real, () =>
  socketOf(async (path) => {
    const first = listener({ path }, "first");
    assert.equal(await first.open(), path);
    const taken = new StartError(`cannot listen on ${path}: another process listens there`);
    await assert.rejects(listener({ path }, "second").open(), taken);
    assert.equal(await ask(path), "first");
    await first.shutdown();
  }));

Deno.test("a socket without a listener is taken over", real, () =>
  socketOf(async (path) => {
    const dead = Deno.listen({ transport: "unix", path: `${path}.dead` });
    await Deno.rename(`${path}.dead`, path);
    dead.close();
    const next = listener({ path }, "next");
    assert.equal(await next.open(), path);
    assert.equal(await ask(path), "next");
    await next.shutdown();
  }));

Deno.test(
  "a listener may be shut down more than once, and a connection without a request does not delay that",
  real,
  async () => {
    const serving = listener({ hostname: "127.0.0.1", port: 0 });
    const { port } = new URL((await serving.open())!);
    using silent = await Deno.connect({ port: Number(port) });
    using asking = await Deno.connect({ port: Number(port) });
    await asking.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    await asking.read(new Uint8Array(1_000));
    await Promise.all([serving.shutdown(false), serving.shutdown()]);
    assert.equal(await silent.read(new Uint8Array(1)), null);
  },
);

Deno.test("a listener that is shut down before it is open stays closed", real, () =>
  socketOf(async (path) => {
    for (const listen of [{ path }, { hostname: "127.0.0.1", port: 0 }]) {
      const stopped = listener(listen);
      await stopped.shutdown();
      assert.equal(await stopped.open(), undefined);
    }
    const opening = listener({ path });
    const where = opening.open();
    await opening.shutdown();
    assert.equal(await where, undefined);
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }));
