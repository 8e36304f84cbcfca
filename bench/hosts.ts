/** `deno task bench:hosts`: what a log on three hosts costs, against the file on one machine. @module */
import { HOSTS, Hosts, HostsError } from "../tests/cluster/hosts.ts";
import { parseOptions, runTask, whole } from "../tests/support/command_line.ts";
import { bothStandIns } from "../tests/support/standins.ts";
import { until } from "../tests/support/until.ts";
import { payment } from "../tests/cluster/harness.ts";
import { startSystem } from "./graded/system.ts";
import { type HostsResults, hostsTable, type Slice, type Step } from "./hosts_table.ts";
import { machine } from "./machine.ts";
import { loadAll } from "./rounds.ts";

const HELP = `What a log on three hosts costs, against the file on one machine. Takes about 5 minutes.

Usage: deno task bench:hosts [--rounds N] [--deaths N] [--out DIR]

  --rounds N  how often each is loaded in turn [7]
  --deaths N  how often the host of the stream's leader dies [3]
  --out DIR   where hosts.json is kept and hosts.md is written from it [bench/results]

Three NATS servers and three replicas in network namespaces of this machine, and two replicas with a file beside them.
It needs root, ip (Debian's package iproute2) and nats-server on the PATH.`;

/** Payments a second, and seconds, of a slice. */
const RATE = 300;
const SLICE_S = 5;
const WARM_UP_S = 10;
/** The pause between two slices, in milliseconds, so that the first does not slow the second. */
const PAUSE_MS = 1_000;
/** Payments a second that are tried, and for how many seconds each. */
const RATES = [250, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000];
const STEP_S = 5;
/** How long a user of those waits after each answer, in milliseconds: fewer connections than a process may have. */
const THINK_MS = 250;
/** Where a step is too much: the p99, the share of the payments that were asked for, and until all are settled. */
const P99_MS_MAX = 100;
const SHARE_MIN = 0.85;
const SETTLE_MS_MAX = 2_000;
/** A payment in each of these many milliseconds, while the leader's host dies. */
const PROBE_MS = 10;
/** When an answer to that is given up, in milliseconds. */
const PROBE_TIMEOUT_MS = 20_000;
const SETTLE_MS = 60_000;
const PORT = 9999;

const say = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One of the systems that are compared. */
interface System {
  readonly name: "file" | "hosts";
  /** where its replicas take payments */
  readonly urls: readonly string[];
}

async function slice({ urls }: System, rate: number, seconds: number): Promise<Slice> {
  await sleep(PAUSE_MS);
  const { failed, latency } = await loadAll(urls, rate, seconds);
  if (failed > 0) throw new Error(`${failed} requests failed`);
  const { medianMs, p99Ms } = latency;
  return { medianMs, p99Ms };
}

/** Each system in turn; the one that is first in one round is the last in the next. */
async function slices(systems: readonly System[], rounds: number): Promise<HostsResults["slices"]> {
  const done = { file: [] as Slice[], hosts: [] as Slice[] };
  for (const system of systems) await slice(system, RATE, WARM_UP_S);
  for (let round = 0; round < rounds; round++) {
    for (const system of round % 2 === 0 ? systems : systems.toReversed()) {
      const one = await slice(system, RATE, SLICE_S);
      done[system.name].push(one);
      say(
        `round ${round + 1}  ${system.name.padEnd(5)} p50 ${one.medianMs.toFixed(2)} ms, p99 ${
          one.p99Ms.toFixed(2)
        } ms`,
      );
    }
  }
  return done;
}

/** Ever higher rates, up to the first that is too much twice. */
async function steps(system: System): Promise<Step[]> {
  const done: Step[] = [];
  for (const rate of RATES) {
    let one = await step(system, rate);
    if (!one.holds) one = await step(system, rate);
    done.push(one);
    if (!one.holds) break;
  }
  return done;
}

async function step(system: System, rate: number): Promise<Step> {
  await sleep(PAUSE_MS);
  const { failed, latency } = await loadAll(system.urls, rate * THINK_MS / 1_000, STEP_S, THINK_MS);
  const settleMs = await untilSettled(system);
  const { medianMs, p99Ms, count } = latency;
  const isTaken = failed === 0 && count >= SHARE_MIN * rate * STEP_S;
  const holds = isTaken && p99Ms <= P99_MS_MAX && settleMs <= SETTLE_MS_MAX;
  const one = { rate, acceptedPerSecond: Math.round(count / STEP_S), failed, medianMs, p99Ms, settleMs, holds };
  say(`${system.name.padEnd(5)} ${JSON.stringify(one)}`);
  return one;
}

/** @returns how long it took until nothing was pending, in milliseconds */
async function untilSettled({ urls }: System): Promise<number> {
  const startMs = performance.now();
  await until(async () => {
    // an exact summary has read the log to its end
    await (await fetch(`${urls[0]}/payments-summary`)).body?.cancel();
    return (await (await fetch(`${urls[0]}/readyz`)).json()).pending === 0;
  }, SETTLE_MS);
  return Math.round(performance.now() - startMs);
}

/** What servers and replicas need to keep what they know. */
async function kept(hosts: Hosts, { urls }: System): Promise<Kept> {
  await untilSettled({ name: "hosts", urls });
  const { default: first, fallback: second } = await (await fetch(`${urls[0]}/payments-summary`)).json();
  const mean = async (of: (host: typeof HOSTS[number]) => Promise<number>) =>
    (await Promise.all(HOSTS.map(of))).reduce((sum, bytes) => sum + bytes) / HOSTS.length;
  return {
    payments: first.totalRequests + second.totalRequests,
    stream: (await hosts.stream())!.state.bytes,
    disk: await mean((host) => bytesIn(`${hosts.server(host).folder}/store`)),
    heap: await mean((host) => hosts.server(host).heapBytes()),
  };
}

interface Kept {
  readonly payments: number;
  readonly stream: number;
  readonly disk: number;
  readonly heap: number;
}

async function bytesIn(folder: string): Promise<number> {
  const { stdout } = await new Deno.Command("du", { args: ["--summarize", "--bytes", folder] }).output();
  return parseInt(new TextDecoder().decode(stdout));
}

/**
 * The host of the stream's leader dies while the other hosts take payments.
 *
 * @returns the longest time between two acknowledgements, in seconds
 */
async function death(hosts: Hosts): Promise<number> {
  const leader = await hosts.leader();
  const others = HOSTS.filter((host) => host !== leader);
  const acked: number[] = [];
  const probe = async (host: typeof HOSTS[number]) => {
    const init = { ...payment(crypto.randomUUID()), signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) };
    const status = await fetch(`${urlOf(hosts, host)}/payments`, init)
      .then(async (response) => (await response.body?.cancel(), response.status), () => 0);
    if (status === 202) acked.push(performance.now());
  };
  let sent = 0;
  const probes: Promise<void>[] = [];
  const timer = setInterval(() => void probes.push(probe(others[sent++ % others.length]!)), PROBE_MS);
  await until(() => acked.length > 100);
  const killedMs = performance.now();
  await hosts.kill(leader);
  // some were acknowledged before the death took effect
  await until(() => acked.filter((ms) => ms > killedMs).length > 300, SETTLE_MS);
  clearInterval(timer);
  await Promise.all(probes);
  const gaps = acked.map((ms, i) => ms - Math.max(killedMs, acked[i - 1] ?? killedMs));
  await hosts.revive(leader);
  await hosts.untilWell();
  return Math.max(...gaps) / 1_000;
}

function urlOf(hosts: Hosts, host: typeof HOSTS[number]): string {
  return `http://${hosts.network.outside(host)}:${PORT}`;
}

async function measure(rounds: number, deaths: number): Promise<HostsResults> {
  await using standIns = new AsyncDisposableStack();
  const processors = await bothStandIns();
  for (const processor of Object.values(processors)) standIns.use(processor);
  const file = await startSystem({ fees: { default: 0.05, fallback: 0.15 } }, undefined, {
    PROCESSOR_DEFAULT_URL: processors.default.url,
    PROCESSOR_FALLBACK_URL: processors.fallback.url,
  });
  standIns.defer(() => file.stop());
  await using hosts = await Hosts.start({ port: PORT, env: { LOG_LEVEL: "error" } });
  say("two replicas with a file, and three hosts, take payments");
  const onFile: System = { name: "file", urls: [file.addresses.router] };
  const onHosts: System = { name: "hosts", urls: HOSTS.map((host) => urlOf(hosts, host)) };
  const before = await kept(hosts, onHosts);
  const inTurn = await slices([onFile, onHosts], rounds);
  const bySystem = { file: await steps(onFile), hosts: await steps(onHosts) };
  const after = await kept(hosts, onHosts);
  const payments = after.payments - before.payments;
  const each = (what: "stream" | "disk" | "heap") => Math.round((after[what] - before[what]) / payments);
  const deathSeconds: number[] = [];
  for (let death_ = 0; death_ < deaths; death_++) {
    deathSeconds.push(await death(hosts));
    say(`without the leader's host nothing was acknowledged for ${deathSeconds.at(-1)!.toFixed(1)} s`);
  }
  return {
    machine: await machine(),
    servers: `${(await hosts.server("a").look("/varz"))?.version}`,
    slices: inTurn,
    steps: bySystem,
    bytes: { payments, stream: each("stream"), disk: each("disk"), heap: each("heap") },
    deathSeconds,
  };
}

const parse = (args: string[]) => {
  const { help, rounds, deaths, out } = parseOptions(args, {
    rounds: { type: "string", default: "7" },
    deaths: { type: "string", default: "3" },
    out: { type: "string", default: new URL("results", import.meta.url).pathname },
  });
  return { help, out, rounds: whole("--rounds", rounds, 1, 1_000), deaths: whole("--deaths", deaths, 1, 1_000) };
};

async function main({ rounds, deaths, out }: ReturnType<typeof parse>): Promise<void> {
  const results = await measure(rounds, deaths);
  await Deno.mkdir(out, { recursive: true });
  await Deno.writeTextFile(`${out}/hosts.json`, `${JSON.stringify(results, null, 1)}\n`);
  await Deno.writeTextFile(`${out}/hosts.md`, hostsTable(results));
  console.log(`\n${hostsTable(results)}`);
  say(`kept in ${out}`);
}

if (import.meta.main) {
  await runTask({ name: "bench:hosts", help: HELP, parse, run: main, expected: [HostsError] });
}
