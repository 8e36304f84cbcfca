/**
 * `docker compose up --build`, limits, and a client that notices nothing of what happens
 * behind port 9999. `deno task test:compose` runs it where a Docker engine answers.
 */
import assert from "node:assert/strict";
import { load } from "../cluster/harness.ts";
import { answer, Compose, configure, needsCompose, pay, sleep } from "./compose.ts";

const SENDERS = 16;
/** Between two payments of a sender: together they offer about what the graded runs do. */
const PAUSE_MS = 20;
/** Longer than this no caller waits, whatever dies. */
const WAIT_MS_MAX = 10_000;
const PENDING = 50_000;

/** Sends payments while something happens, and keeps the answers and how long they took. */
async function sendDuring(what: () => Promise<void>) {
  const latencies: number[] = [];
  let over = false;
  const sending = load(async (id) => {
    const start = performance.now();
    // while nothing listens, trying again sooner gains nothing
    const status = await pay(id).catch((error) => sleep(500).then(() => Promise.reject(error)));
    latencies.push(performance.now() - start);
    await sleep(PAUSE_MS);
    return status;
  }, { senders: SENDERS, stop: () => over });
  await what().finally(() => over = true);
  const told = await sending;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))]!;
  return { ...told, latencies: { p50: at(0.5), p99: at(0.99), max: at(1) } };
}

function say(title: string, values: object): void {
  const rounded = (_: string, value: unknown) => typeof value === "number" ? Math.round(value * 10) / 10 : value;
  console.log(`${title}: ${JSON.stringify(values, rounded)}`);
}

Deno.test("docker compose up --build", needsCompose(), async (t) => {
  await using compose = await Compose.up();
  say("from up until the summary answered 200, ms", { ms: compose.startupMs });
  say("memory at rest", await memory(compose));
  const accepted: string[] = [];
  /** Sent, and not acknowledged: may be booked, once. */
  const uncertain: string[] = [];

  /** Callers get only 202 meanwhile, and every payment is booked once. */
  const invisible = async (title: string, what: () => Promise<void>) => {
    const { accepted: now, failed, latencies } = await sendDuring(what);
    say(title, { accepted: now.length, failed: failed.length, ...latencies });
    accepted.push(...now);
    uncertain.push(...failed.map(({ id }) => id));
    assert.deepEqual(failed.slice(0, 5), [], `${failed.length} of ${now.length + failed.length} failed`);
    assert.ok(now.length > 1_000, `${now.length} accepted`);
    assert.ok(latencies.max < WAIT_MS_MAX, `a caller waited ${latencies.max} ms`);
    await compose.untilSettled();
    say(`${title}, books`, await compose.assertBooks(accepted, uncertain).catch(told));
  };

  /** Prints the replicas' logs, which go with their containers. */
  const told = async (error: unknown): Promise<never> => {
    console.log(await compose.run("logs", "--no-color", "--timestamps", "a", "b"));
    throw error;
  };

  await t.step("limits are set on every service, and are within 1.5 CPUs and 350 MB together", async () => {
    const containers = [...(await compose.inspect()).values()];
    assert.deepEqual(containers.filter(({ HostConfig: { NanoCpus, Memory } }) => !NanoCpus || !Memory), []);
    const cpus = containers.reduce((sum, { HostConfig }) => sum + HostConfig.NanoCpus, 0) / 1e9;
    const megabytes = containers.reduce((sum, { HostConfig }) => sum + HostConfig.Memory, 0) / (1 << 20);
    say("limits", { services: containers.length, cpus, megabytes });
    assert.ok(cpus <= 1.5, `${cpus} CPUs`);
    assert.ok(megabytes <= 350, `${megabytes} MB`);
  });

  await t.step("nothing is privileged, replicas may do nothing but their work", async () => {
    const containers = await compose.inspect();
    for (const [service, { HostConfig }] of containers) {
      assert.equal(HostConfig.Privileged, false, service);
      assert.notEqual(HostConfig.NetworkMode, "host", service);
      assert.deepEqual(HostConfig.SecurityOpt, ["no-new-privileges:true"], service);
    }
    for (const service of ["a", "b"]) {
      const { Config, HostConfig, Mounts } = containers.get(service)!;
      assert.equal(Config.User, "1993:1993");
      assert.equal(HostConfig.ReadonlyRootfs, true);
      assert.deepEqual(HostConfig.CapDrop, ["ALL"]);
      assert.deepEqual(HostConfig.CapAdd ?? [], []);
      assert.deepEqual(HostConfig.PortBindings, {});
      assert.deepEqual(Mounts.map(({ Destination }) => Destination).toSorted(), ["/run/galo", "/var/lib/galo"]);
      const script = 'id -u; grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status; touch /app/x 2>&1; ' +
        "stat -f -c %T /run/galo; stat -c %a:%u:%n /run/galo /var/lib/galo /var/lib/galo/log; " +
        "find /run/galo /var/lib/galo -type s ! -perm 600 ! -perm 660";
      const said = await compose.run("exec", "-T", service, "sh", "-c", script);
      const lines = said.split("\n").map((line) => line.replace(/\s+/g, " "));
      assert.deepEqual(
        lines,
        [
          "1993",
          "CapBnd: 0000000000000000",
          "CapEff: 0000000000000000",
          "NoNewPrivs: 1",
          "touch: cannot touch '/app/x': Read-only file system",
          "tmpfs",
          "700:1993:/run/galo",
          "700:1993:/var/lib/galo",
          "700:1993:/var/lib/galo/log",
        ].toSorted((x, y) => lines.indexOf(x) - lines.indexOf(y)),
      );
    }
  });

  await t.step("the V8 flags are in force", async () => {
    for (const service of ["a", "b"]) {
      const said = await compose.run("exec", "-T", service, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
      assert.match(said, /deno run \S+.*--v8-flags=\S*--max-old-space-size=\d+\S* main\.ts replica/);
    }
  });

  await t.step("the image has what the live page is made of", async () => {
    for (const path of ["/", "/watch/live.js", "/watch/uPlot.iife.min.js", "/watch/uPlot.min.css", "/docs"]) {
      assert.equal((await answer(path)).status, 200, path);
    }
  });

  await t.step("a bad payment is refused, a big one too", async () => {
    const send = (body: string) =>
      answer("/payments", { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal((await send("{")).status, 400);
    // Caddy mixes up the bodies of later requests if one fails while it is sent on: see the Caddyfile
    const start = performance.now();
    for (const bytes of [6_000, 100_000]) assert.equal((await send(" ".repeat(bytes))).status, 413);
    assert.ok(performance.now() - start < 1_000);
    const chunked = ReadableStream.from([new Uint8Array(50_000), new Uint8Array(50_000)]);
    assert.equal((await answer("/payments", { method: "POST", body: chunked })).status, 413);
  });

  await t.step("docker kill of a replica is invisible, and so is its return", () =>
    invisible("kill", async () => {
      await sleep(5_000);
      await compose.do("kill", "a");
      await sleep(8_000);
      await compose.do("start", "a");
      await sleep(7_000);
    }));

  await t.step(
    "docker restart of one replica and then of the other is invisible",
    () =>
      invisible("restart", async () => {
        await sleep(2_000);
        await compose.do("restart", "a");
        await sleep(6_000);
        await compose.do("restart", "b");
        await sleep(6_000);
      }),
  );

  await t.step("a paused replica makes callers wait, and nobody pays twice", () =>
    invisible("pause", async () => {
      await sleep(3_000);
      await compose.do("pause", "b");
      await sleep(10_000);
      await compose.do("unpause", "b");
      await sleep(5_000);
    }));

  await t.step("Postgres killed and started: payments go on", () =>
    invisible("Postgres", async () => {
      await sleep(3_000);
      await compose.do("kill", "db");
      await sleep(8_000);
      await compose.do("start", "db");
      await sleep(7_000);
    }));

  /** Callers notice and try again, and every payment is booked once. */
  const durable = async (title: string, what: () => Promise<void>) => {
    const { accepted: now, failed } = await sendDuring(async () => {
      await sleep(3_000);
      await what();
      await compose.untilServing();
      await sleep(3_000);
    });
    say(title, { accepted: now.length, failed: failed.length });
    assert.ok(now.length > 200, `${now.length} accepted`);
    accepted.push(...now);
    for (const { id } of failed) {
      assert.equal(await pay(id), 202);
      accepted.push(id);
    }
    await compose.untilSettled();
    say(`${title}, books`, await compose.assertBooks(accepted, uncertain));
  };

  await t.step(
    "docker compose restart under load loses nothing that was acknowledged",
    () => durable("restart of all", async () => void await compose.run("restart")),
  );

  await t.step(
    "docker compose kill and up under load loses nothing that was acknowledged",
    () =>
      durable("kill of all", async () => {
        await compose.run("kill");
        await compose.run("up", "--detach");
      }),
  );

  await t.step(
    "docker compose down and up under load loses nothing that was acknowledged",
    () =>
      durable("down and up", async () => {
        await compose.run("down");
        await compose.run("up", "--detach");
      }),
  );

  await t.step("at ACK=store the volume of the log may be lost as well", async () => {
    compose.env = { ACK: "store" };
    await compose.run("up", "--detach");
    await compose.untilServing();
    await durable("without its log", async () => {
      await compose.run("kill");
      await compose.loseLog();
      await compose.run("up", "--detach");
    });
    compose.env = {};
    await compose.run("up", "--detach");
    await compose.untilServing();
  });

  await t.step(`${PENDING} payments pending, both processors failing: replicas stay within their memory`, async () => {
    say(`memory after ${accepted.length}`, await memory(compose));
    await Promise.all([configure("default", true), configure("fallback", true)]);
    const before = await compose.inspect();
    const start = performance.now();
    const { accepted: now, failed } = await load(pay, {
      count: PENDING,
      senders: SENDERS,
    });
    const postedMs = performance.now() - start;
    accepted.push(...now);
    uncertain.push(...failed.map(({ id }) => id));
    const pending = await memory(compose);
    say("posted", { accepted: now.length, failed: failed.length, postedMs, ...pending });
    await Promise.all([configure("default", false), configure("fallback", false)]);
    await compose.untilSettled(300_000);
    say("settled", { afterMs: performance.now() - start - postedMs, ...await memory(compose) });
    assert.deepEqual(failed.slice(0, 5), []);
    for (const [service, { State, RestartCount }] of await compose.inspect()) {
      assert.equal(State.OOMKilled, false, service);
      assert.equal(State.Status, "running", service);
      assert.equal(RestartCount, before.get(service)!.RestartCount, service);
    }
    say("outage, books", await compose.assertBooks(accepted, uncertain));
  });
});

/** What every container uses, as `docker stats` says. */
async function memory(compose: Compose): Promise<Record<string, string>> {
  const said = await compose.run("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}");
  return Object.fromEntries(
    said.split("\n").map((line) => {
      const [name = "", used = ""] = line.split(" ");
      return [name.replace(/^galo-test-|-1$/g, ""), used];
    }),
  );
}
