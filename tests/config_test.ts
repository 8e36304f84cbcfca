import assert from "node:assert/strict";
import { REPLICAS_MAX } from "../src/payment/roster.ts";
import { ConfigError, operationsOf, parseListen, placeOf, readConfig } from "../src/config.ts";
import { RECALL_MS, SETTINGS, settingsHelp, STOP_MS } from "../src/config.ts";
import { WATCHERS_MAX } from "../src/console/watch.ts";

function refused(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  throw new Error(`${JSON.stringify(environment)} was taken`);
}

Deno.test("nothing set is every default", () => {
  const config = readConfig({});
  assert.deepEqual(config.LISTEN, { hostname: "0.0.0.0", port: 9999 });
  assert.equal(config.OPS_LISTEN, undefined);
  assert.deepEqual(config.FEES, { default: 0.05, fallback: 0.15 });
  assert.equal(config.PATIENCE_MS, 75_000);
  assert.equal(config.ALLOW_PURGE, false);
  assert.equal(config.ACK, "log");
  assert.deepEqual([config.HORIZON_MS, config.LOG_MAX_MB], [30_000, 1_024]);
  assert.deepEqual([config.REPLICAS, config.REPLICA], [["a", "b"], "a"]);
  assert.equal(config.DATABASE_URL, "");
});

Deno.test("an empty value is as good as none", () => {
  assert.equal(readConfig({ PATIENCE_MS: " " }).PATIENCE_MS, 75_000);
});

Deno.test("a value that is not valid is named, shown and explained in one line", () => {
  for (
    const [name, value] of [
      ["LISTEN", "99999"],
      ["OPS_LISTEN", "here"],
      ["PATIENCE_MS", "soon"],
      ["PATIENCE_MS", "-1"],
      ["MAX_IN_FLIGHT", "0"],
      ["MAX_IN_FLIGHT", "1.5"],
      ["PROCESSOR_DEFAULT_URL", "http://localhost:0"],
      ["HORIZON_MS", "0"],
      ["ALLOW_PURGE", "yes"],
      ["ACK", "disk"],
      ["ACK", "Peer"],
      ["LOG_MAX_MB", "7"],
      ["REPLICAS", "3"],
      ["REPLICAS", "a,"],
      ["REPLICAS", "a,B"],
      ["REPLICAS", "a,b,a"],
      ["REPLICAS", "a,log"],
      ["REPLICAS", "a,peer-a"],
      ["REPLICAS", "a,b234567890123456x"],
      ["REPLICAS", Array.from({ length: 33 }, (_, i) => String.fromCharCode(97 + i % 26) + (i > 25 ? "2" : "")).join()],
      ["LOG_LEVEL", "loud"],
      ["FEES", "5,0.15"],
      ["FEES", "0.05"],
      ["FEES", "0.05,"],
      ["FEES", "0.05,0.1,0.15"],
      ["PROCESSOR_DEFAULT_URL", "localhost"],
      ["PROCESSOR_DEFAULT_URL", "http:localhost"],
      ["PROCESSOR_FALLBACK_URL", "ftp://localhost"],
      ["PROCESSOR_DEFAULT_URL", "http://localhost/a?b=c"],
      ["PROCESSOR_FALLBACK_URL", "https://localhost/#part"],
    ] as const
  ) {
    const message = refused({ [name]: value });
    assert.ok(message.startsWith(`${name}: ${JSON.stringify(value)} is not valid`), message);
    assert.equal(message.includes("\n"), false);
  }
});

Deno.test("what would not be sent to a processor is refused, and no password is shown", () => {
  const why = "a user, password, query or fragment is never sent: remove it";
  for (const url of ["http://me:secret@h/", "http://me@h", "https://:secret@h/x", "http://@h"]) {
    const message = `PROCESSOR_FALLBACK_URL: its value is not valid (URL): ${why}`;
    assert.equal(refused({ PROCESSOR_FALLBACK_URL: url, PROCESSOR_DEFAULT_URL: "http://h" }), message);
  }
  for (const url of ["http://h/?token=1", "http://h:1/x?y", "http://h/#x", "http://h?", "http://h/#"]) {
    const message = `PROCESSOR_DEFAULT_URL: ${JSON.stringify(url)} is not valid (URL): ${why}`;
    assert.equal(refused({ PROCESSOR_DEFAULT_URL: url, PROCESSOR_FALLBACK_URL: "http://h" }), message);
  }
  for (const url of ["http://h", "HTTPS://h:8443/a/b/", "http://[::1]:80/a@b"]) {
    assert.equal(readConfig({ PROCESSOR_DEFAULT_URL: url, PROCESSOR_FALLBACK_URL: url }).PROCESSOR_DEFAULT_URL, url);
  }
});

Deno.test("LOG is file, or NATS servers with a way in", () => {
  const log = (LOG: string) => readConfig({ LOG }).LOG;
  assert.equal(log(""), "file");
  assert.equal(log("file"), "file");
  assert.deepEqual(log("nats://h"), { servers: ["h:4222"], tls: false });
  assert.deepEqual(log("NATS://n-1.local:1,nats://10.0.0.2, [::1]:65535"), {
    servers: ["n-1.local:1", "10.0.0.2:4222", "[::1]:65535"],
    tls: false,
  });
  assert.deepEqual(log("tls://me:se%40c%2Cr:e/t@h,i"), {
    servers: ["h:4222", "i:4222"],
    tls: true,
    user: "me",
    pass: "se@c,r:e/t",
  });
  assert.deepEqual(log("nats://word@h"), { servers: ["h:4222"], tls: false, token: "word" });
});

Deno.test("a LOG that is not valid is refused with what is wrong, and no password is shown", () => {
  const shape = "a server is host or host:port, and a comma follows";
  for (
    const [value, why, secret] of [
      ["stream", "write file, or servers such as nats://host:4222,host:4222"],
      ["http://h", "write file, or servers such as nats://host:4222,host:4222"],
      ["nats://", shape],
      ["nats://h,", shape],
      ["nats://h:0", shape],
      ["nats://h:65536", shape],
      ["nats://h/x", shape],
      ["nats://h?tls", shape],
      ["nats://a b", shape],
      ["nats://h,tls://i", "all servers have the same scheme"],
      ["nats://h,i,h:4222", "a server is listed twice"],
      [
        "nats://h,me:secret@i",
        "user and password stand once, before the first server, with %40 for @ and %2C for a comma",
        true,
      ],
      [
        "nats://me:sec@ret@h",
        "user and password stand once, before the first server, with %40 for @ and %2C for a comma",
        true,
      ],
      ["nats://me:@h", "an empty user, password or token", true],
      ["nats://:secret@h", "an empty user, password or token", true],
      ["nats://@h", "an empty user, password or token", true],
    ] as const
  ) {
    const shown = secret ? "its value" : JSON.stringify(value);
    const unit = SETTINGS.LOG[2];
    assert.equal(refused({ LOG: value }), `LOG: ${shown} is not valid (${unit}): ${why}`);
  }
});

Deno.test("a processor on port 0 is refused", () => {
  const url = "http://h:0/x";
  assert.equal(
    refused({ PROCESSOR_DEFAULT_URL: url, PROCESSOR_FALLBACK_URL: "http://h" }),
    `PROCESSOR_DEFAULT_URL: "${url}" is not valid (URL): nothing listens on port 0`,
  );
});

Deno.test("a path that is too long for a socket is refused", () => {
  const of = (bytes: number) => `/é${"x".repeat(bytes - 3)}`;
  assert.equal(refused({ LISTEN: of(104) }), `LISTEN: ${of(104)} is too long for a socket: at most 103 bytes`);
  assert.deepEqual(readConfig({ LISTEN: of(103) }).LISTEN, { path: of(103) });
  // each of two replicas has its own
  const message = `OPS_LISTEN: ${of(102)}.b is too long for a socket: at most 103 bytes`;
  assert.equal(refused({ OPS_LISTEN: of(102), REPLICA: "b" }), message);
  assert.deepEqual(readConfig({ OPS_LISTEN: of(101) }).OPS_LISTEN, { path: of(101) });
  assert.deepEqual(readConfig({ OPS_LISTEN: of(103), REPLICAS: "a" }).OPS_LISTEN, { path: of(103) });
});

Deno.test("a libpq variable about a server and its trust is an error unless DATABASE_URL has it", () => {
  const DATABASE_URL = "postgres://h/d";
  const unheeded = ["PGSERVICE", "PGHOSTADDR", "PGREQUIREAUTH", "PGREQUIREPEER", "PGCHANNELBINDING"];
  for (
    const name of ["PGSSLMODE", "PGSSLROOTCERT", "PGSSLNEGOTIATION", "PGTARGETSESSIONATTRS", ...unheeded]
  ) {
    const message = `${name}: write it in DATABASE_URL, or remove it`;
    assert.equal(refused({ DATABASE_URL, [name]: "x" }), message);
    assert.equal(refused({ DATABASE_URL: `${DATABASE_URL}?application_name=x`, [name]: "x" }), message);
    const said = `${DATABASE_URL}?a=b&${name.slice(2).toLowerCase()}=y`;
    assert.equal(readConfig({ DATABASE_URL: said, [name]: "x" }).DATABASE_URL, said);
    assert.equal(readConfig({ [name]: "x" }).DATABASE_URL, "");
    assert.equal(readConfig({ DATABASE_URL, [name]: "" }).DATABASE_URL, DATABASE_URL);
  }
  // what pg reads, and what only psql needs
  for (const name of ["PGHOST", "PGUSER", "PGPASSFILE", "PGOPTIONS", "PGSERVICEFILE", "PGTZ", "PGDATA"]) {
    assert.equal(readConfig({ DATABASE_URL, [name]: "x" }).DATABASE_URL, DATABASE_URL);
  }
});

Deno.test("what an earlier version knew is refused with what to write instead", () => {
  const said: readonly (readonly [Record<string, string>, string])[] = [
    [{ ACK: "peer" }, "ACK=peer was removed: write ACK=log, which loses nothing when all replicas die"],
    [{ REPLICAS: "1" }, "REPLICAS=1 was removed: write the names of the replicas, here REPLICAS=a"],
    [{ REPLICAS: "2" }, "REPLICAS=2 was removed: write the names of the replicas, here REPLICAS=a,b"],
    [
      { ACK: " memory" },
      "ACK=memory was removed: write ACK=log, which is as fast and loses nothing when a replica dies",
    ],
    [{ PORT: "80" }, "PORT was removed: write LISTEN, such as LISTEN=0.0.0.0:9999"],
    [
      { HOST: "::1" },
      "HOST was removed: write LISTEN, such as LISTEN=127.0.0.1:9999; for a stand-in `processor --host`",
    ],
    [{ FEE_FALLBACK: "0.1" }, "FEE_FALLBACK was removed: write FEES, such as FEES=0.05,0.15"],
    [{ STAND_IN_PORT: "0" }, "STAND_IN_PORT was removed: write `start --stand-in-port PORT`"],
    [{ CADDY: "caddy" }, "CADDY was removed: write `start --caddy PATH`"],
    [
      { DISPATCH_PER_SECOND: "9" },
      "DISPATCH_PER_SECOND was removed: unset it, or write MAX_IN_FLIGHT, which it follows",
    ],
    [{ WATCHERS_MAX: "9" }, `WATCHERS_MAX was removed: unset it: ${WATCHERS_MAX} may watch a replica`],
    [{ STORE_POOL: "9" }, "STORE_POOL was removed: unset it: a replica has two connections"],
    [{ RECALL_MS: "9" }, `RECALL_MS was removed: unset it: ids are looked up for ${RECALL_MS / 1_000} s`],
    [{ STOP_MS: "9" }, `STOP_MS was removed: unset it: stopping takes ${STOP_MS / 1_000} s at most`],
    [
      { BODY_TIMEOUT_MS: "0" },
      "BODY_TIMEOUT_MS was removed: unset it: a body has 10 s on a port, and no limit on a socket",
    ],
    [{ STORE_BATCH: "500" }, "STORE_BATCH was removed: unset it: batches no longer need a limit"],
    [
      { STORE_BACKLOG_MAX: "100" },
      "STORE_BACKLOG_MAX was removed: unset it, or write LOG_MAX_MB: what waits for Postgres is in the log",
    ],
    [{ TIMINGS: "true" }, "TIMINGS was removed: unset it: GET /metrics has it"],
  ];
  for (const [environment, message] of said) assert.equal(refused(environment), message);
  assert.equal(readConfig({ PORT: "", STORE_BATCH: " " }).QUEUE_MAX, 50_000);
});

Deno.test("one processor without the other is refused", () => {
  assert.equal(
    refused({ PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1" }),
    "PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: set both or none",
  );
});

Deno.test("the help has every setting once, with its default and unit, in groups", () => {
  const help = settingsHelp();
  for (const [name, [, fallback, unit]] of Object.entries(SETTINGS)) {
    const lines = help.split("\n").filter((line) => line.startsWith(`  ${name.padEnd(23)} `));
    assert.equal(lines.length, 1, name);
    assert.ok(lines[0]!.endsWith(` [${fallback || "not set"}, ${unit}]`), lines[0]);
  }
  const groups = [...help.matchAll(/^(\w+):$/gm)].map(([, name]) => name);
  assert.deepEqual(groups, ["Listening", "Processors", "Promises", "Store", "Operating"]);
});

Deno.test("where to listen is a port, an address with a port, or a path", () => {
  const at = (hostname: string, port: number) => ({ hostname, port });
  for (
    const [text, listen] of [
      ["9100", at("127.0.0.1", 9100)],
      ["0", at("127.0.0.1", 0)],
      ["0.0.0.0:9100", at("0.0.0.0", 9100)],
      ["localhost:65535", at("localhost", 65_535)],
      ["[::1]:9100", at("::1", 9100)],
      ["./ops.sock", { path: "./ops.sock" }],
      ...["", "::1", "::1:9100", ":9100", "[::1]", "localhost", "9100 ", "65536", "-1", "a b:1"].map((text) =>
        [text, undefined] as const
      ),
    ] as const
  ) {
    assert.deepEqual(parseListen(text), listen, text);
    if (listen) assert.deepEqual(parseListen(placeOf(listen)), listen, text);
  }
});

Deno.test("of two replicas each has a path of its own for operators, and none is where payments are taken", () => {
  const at = (environment: Record<string, string>) => operationsOf(readConfig(environment));
  assert.equal(at({}), undefined);
  assert.deepEqual(at({ OPS_LISTEN: "/run/ops", REPLICA: "b" }), { path: "/run/ops.b" });
  assert.deepEqual(at({ OPS_LISTEN: "/run/ops", REPLICAS: "a" }), { path: "/run/ops" });
  assert.deepEqual(at({ OPS_LISTEN: "0", LISTEN: "0" }), { hostname: "127.0.0.1", port: 0 });
  assert.deepEqual(at({ OPS_LISTEN: "9999", LISTEN: "/run/a" }), { hostname: "127.0.0.1", port: 9999 });
  for (
    const environment of [
      { OPS_LISTEN: "9999" },
      { OPS_LISTEN: "[::1]:80", LISTEN: "80" },
      { OPS_LISTEN: "/run/x", REPLICAS: "a", LISTEN: "/run/x" },
      { OPS_LISTEN: "/run/x", LISTEN: "/run/x.a" },
    ] as Record<string, string>[]
  ) {
    assert.equal(refused(environment), "OPS_LISTEN: LISTEN has this address already");
  }
});

Deno.test("REPLICAS is a list of names, and REPLICA one of them: the first, if nothing is said", () => {
  const { REPLICAS, REPLICA } = readConfig({ REPLICAS: "one, two-2,three" });
  assert.deepEqual([REPLICAS, REPLICA], [["one", "two-2", "three"], "one"]);
  const all = Array.from({ length: REPLICAS_MAX }, (_, i) => `r${i}`);
  assert.equal(readConfig({ REPLICAS: all.join(), REPLICA: "r31" }).REPLICA, "r31");
  assert.equal(refused({ REPLICA: "c" }), "REPLICA: c is none of REPLICAS=a,b");
});

Deno.test("--help says what HORIZON_MS must exceed", () => {
  const line = settingsHelp().split("\n").find((line) => line.startsWith("  HORIZON_MS"))!;
  assert.match(line, /must exceed the longest that gateways hold a request plus the longest that a processor takes/);
  assert.match(line, /\[30000, ms\]$/);
  const must = "it must exceed the longest that gateways hold a request plus the longest that a processor takes";
  for (const value of ["0", "999"]) {
    assert.equal(
      refused({ HORIZON_MS: value }),
      `HORIZON_MS: "${value}" is not valid (ms): ${must}: at least 1000`,
    );
  }
  assert.equal(readConfig({ HORIZON_MS: "1000" }).HORIZON_MS, 1_000);
});
