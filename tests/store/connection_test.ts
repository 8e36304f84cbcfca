import assert from "node:assert/strict";
import { startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { programs } from "../../src/local/programs.ts";
import { connectionOf } from "../../src/store/connection.ts";
import { PostgresStore } from "../../src/store/postgres.ts";
import { needsOf, program } from "../support/permissions.ts";
import { connect, needsServer } from "./test_server.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";
import { PAIR } from "../support/pair.ts";

const OPENSSL = program("openssl");
const real = needsOf(needsServer, () => OPENSSL !== undefined, "no openssl on the PATH: Debian's package openssl");

/** A server on TCP, with TLS or without, and certificates: `ca.pem` signed the server's, for localhost alone. */
class TlsServer {
  readonly port = freePort();
  folder = "";
  #process: Deno.ChildProcess | undefined;

  async make(): Promise<void> {
    this.folder = await Deno.makeTempDir({ prefix: "galo-test-" });
    await Deno.chmod(this.folder, 0o711);
    await (await startEmbeddedPostgres(`${this.folder}/postgres`)).stop();
    const own = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`, "-keyout", `${name}.key`];
    await this.#openssl("req", "-x509", "-days", "30", ...own("ca"), "-out", "ca.pem");
    await this.#openssl("req", "-x509", "-days", "30", ...own("other"), "-out", "other.pem");
    await this.#openssl("req", ...own("localhost"), "-out", "localhost.csr");
    await Deno.writeTextFile(`${this.folder}/ext`, "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n");
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext"];
    await this.#openssl("x509", "-req", "-in", "localhost.csr", ...signed, "-out", "localhost.pem");
    const { uid, gid } = await Deno.stat(`${this.folder}/postgres`);
    for (const name of ["localhost.key", "localhost.pem"]) {
      await Deno.copyFile(`${this.folder}/${name}`, `${this.folder}/postgres/data/${name}`);
      await Deno.chmod(`${this.folder}/postgres/data/${name}`, 0o600);
      await Deno.chown(`${this.folder}/postgres/data/${name}`, uid, gid);
    }
  }

  /** @param hba lines of pg_hba.conf */
  async start(ssl: "on" | "off", hba = "host all all all trust"): Promise<void> {
    const data = `${this.folder}/postgres/data`;
    await Deno.writeTextFile(`${data}/pg_hba.conf`, `local all all trust\n${hba}\n`);
    const settings = [
      ...[`ssl=${ssl}`, "ssl_cert_file=localhost.pem", "ssl_key_file=localhost.key", `port=${this.port}`],
      ...["listen_addresses=localhost,127.0.0.1", `unix_socket_directories=${this.folder}/postgres`],
    ];
    const args = ["-D", data, ...settings.flatMap((setting) => ["-c", setting])];
    const { uid, gid } = await Deno.stat(data);
    const options = { args, cwd: data, uid: uid!, gid: gid!, stdout: "null", stderr: "null" } as const;
    this.#process = new Deno.Command((await programs()).postgres, options).spawn();
    const client = () => connect(`postgres://galo@/postgres?host=${this.folder}/postgres&port=${this.port}`);
    await until(() => client().then(async (client) => (await client.end(), true), () => false));
  }

  async stop(): Promise<void> {
    this.#process!.kill("SIGINT");
    await this.#process!.status;
  }

  /** Whether a store with this URL uses TLS, or its error. */
  async says(query: string, host = "localhost"): Promise<string> {
    const url = `postgres://galo@${host}:${this.port}/postgres${query && "?"}${query}`;
    let store: PostgresStore | undefined;
    try {
      store = new PostgresStore({ url, roster: PAIR });
      await store.stored();
      const [row] = await this.#query(
        "select ssl from pg_stat_ssl natural join pg_stat_activity where application_name = 'galo'",
      );
      return row!.ssl ? "TLS" : "plain";
    } catch (error) {
      const { name, kind, message } = error as Error & { kind: string };
      assert.deepEqual([name, message.includes("\n")], ["StoreError", false]);
      return `${kind}: ${message.replace(/^Postgres at .*, database postgres: /, "")}`;
    } finally {
      await store?.close();
    }
  }

  async #query(text: string): Promise<Record<string, unknown>[]> {
    const client = await connect(`postgres://galo@/postgres?host=${this.folder}/postgres&port=${this.port}`);
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  async #openssl(...args: string[]): Promise<void> {
    const { success, stderr } = await new Deno.Command(OPENSSL!, { args, cwd: this.folder, stderr: "piped" }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  }
}

const server = new TlsServer();
if (!real.ignore) {
  Deno.test.beforeAll(() => server.make());
  Deno.test.afterAll(() => Deno.remove(server.folder, { recursive: true }));
}

const UNKNOWN = "write disable, require, verify-ca or verify-full";

Deno.test("sslmode is what it is to libpq, with a server that has TLS", real, async () => {
  await server.start("on");
  const { folder } = server;
  const untrusted = "refused: its certificate is not to be trusted: ";
  for (
    const [query, localhost, ip = localhost] of [
      ["", "plain"],
      ["sslmode=disable", "plain"],
      ["sslmode=allow", `refused: DATABASE_URL: sslmode=allow is not supported: ${UNKNOWN}`],
      ["sslmode=prefer", `refused: DATABASE_URL: sslmode=prefer is not supported: ${UNKNOWN}`],
      ["sslmode=no-verify", `refused: DATABASE_URL: sslmode=no-verify is not supported: ${UNKNOWN}`],
      ["sslmode=", `refused: DATABASE_URL: sslmode= is not supported: ${UNKNOWN}`],
      ["sslmode=require", "TLS"],
      [`sslmode=require&sslrootcert=${folder}/ca.pem`, "TLS"],
      [`sslmode=require&sslrootcert=${folder}/other.pem`, `${untrusted}unable to verify the first certificate`],
      [`sslmode=verify-ca&sslrootcert=${folder}/ca.pem`, "TLS"],
      [`sslmode=verify-ca&sslrootcert=${folder}/other.pem`, `${untrusted}unable to verify the first certificate`],
      ["sslmode=verify-full", `${untrusted}unable to verify the first certificate`],
      ["sslmode=verify-full&sslrootcert=system", `${untrusted}unable to verify the first certificate`],
      [
        `sslmode=verify-full&sslrootcert=${folder}/ca.pem`,
        "TLS",
        `${untrusted}Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list: `,
      ],
      ["sslmode=disable&sslmode=require", "refused: DATABASE_URL: sslmode stands more than once"],
      ["sslmode=require&sslmode=require", "refused: DATABASE_URL: sslmode stands more than once"],
    ] as const
  ) {
    assert.deepEqual([query, await server.says(query), await server.says(query, "127.0.0.1")], [query, localhost, ip]);
  }
  await server.stop();
});

Deno.test("a server without TLS is used where none is asked for, and said to have none elsewhere", real, async () => {
  await server.start("off");
  assert.equal(await server.says(""), "plain");
  assert.equal(await server.says("sslmode=disable"), "plain");
  const none = "refused: it has no TLS: write sslmode=disable";
  for (const mode of ["require", "verify-full"]) assert.equal(await server.says(`sslmode=${mode}`), none);
  // libpq asks for no TLS on a socket
  assert.equal(await server.says(`sslmode=require&host=${server.folder}/postgres&port=${server.port}`), "plain");
  const encoded = encodeURIComponent(`${server.folder}/postgres`);
  assert.equal(await server.says("sslmode=require", encoded), "plain");
  await server.stop();
});

Deno.test("a server that demands TLS gives an error that says so", real, async () => {
  await server.start("on", "hostssl all all all trust");
  assert.equal(
    await server.says("sslmode=disable"),
    "refused: it does not let the user in without TLS: write sslmode=require or sslmode=verify-full",
  );
  assert.equal(await server.says("sslmode=require"), "TLS");
  await server.stop();
});

Deno.test("a part of a URL that is not supported is refused in one line, without its value", () => {
  const said = (url: string) => {
    try {
      connectionOf(url);
    } catch (error) {
      const { name, kind, message } = error as Error & { kind: string };
      assert.deepEqual([name, kind, /secret/.test(message)], ["StoreError", "refused", false]);
      return message;
    }
    return "taken";
  };
  const base = "postgres://me:secret@h/d";
  for (
    const [url, message] of [
      [base, "taken"],
      [`${base}?application_name=x&options=-c%20geqo%3Doff`, "taken"],
      [`${base}?connect_timeout=3`, "DATABASE_URL: connect_timeout is not supported: remove it"],
      [`${base}?sslmode=require&channel_binding=require`, "DATABASE_URL: channel_binding is not supported: remove it"],
      [`${base}?client_encoding=utf8`, "DATABASE_URL: client_encoding is not supported: remove it"],
      [`${base}?SSLMODE=require`, "DATABASE_URL: SSLMODE is not supported: remove it"],
      [`${base}?ssl=true`, "DATABASE_URL: write sslmode=require or sslmode=verify-full for ssl"],
      [`${base}?uselibpqcompat=true`, "DATABASE_URL: uselibpqcompat is not supported: remove it"],
      [`${base}?`, "DATABASE_URL: nothing comes after the ?: remove it"],
      [`${base}?sslmode=disable&sslmode=disable`, "DATABASE_URL: sslmode stands more than once"],
      [`${base}?port=1&user=x&port=1`, "DATABASE_URL: port stands more than once"],
      ["postgres://me:secret@h:0/d", "DATABASE_URL: nothing listens on port 0"],
      [`${base}?port=0`, "DATABASE_URL: nothing listens on port 0"],
      [`${base}#secret`, "DATABASE_URL: write %23 for a # in it"],
      ["postgres://me:sec#ret@h/d", "DATABASE_URL: write %23 for a # in it"],
      [
        `${base}?sslmode=verify-ca`,
        "DATABASE_URL: write sslmode=verify-full, or the path of a certificate as sslrootcert",
      ],
      [
        `${base}?sslmode=require&sslrootcert=system`,
        "DATABASE_URL: write sslmode=verify-full, or the path of a certificate as sslrootcert",
      ],
      ...["http://me:secret@h/d", "postgres://me:p@secret/x@h/d", "postgres://me:1/secret@h/d"].map((url) =>
        [url, "DATABASE_URL is no URL of the form postgres://user:password@host:port/database"] as const
      ),
      ["postgres://me:1?secret@h/d", "DATABASE_URL is no URL of the form postgres://user:password@host:port/database"],
      [`${base}?user=me@host&password=secret@`, "taken"],
    ] as const
  ) assert.deepEqual([url, said(url)], [url, message]);
});

Deno.test("a certificate that cannot be read is said by its path", needsServer, () => {
  for (const name of ["sslrootcert", "sslcert", "sslkey"]) {
    assert.throws(() => connectionOf(`postgres://h/d?sslmode=verify-full&${name}=/nowhere/x.pem`), {
      kind: "refused",
      message: /^DATABASE_URL: \/nowhere\/x.pem cannot be read: [^\n]+$/,
    });
  }
});

Deno.test("%2F in a password is no socket, which would have no TLS", () => {
  const { ssl, connectionString } = connectionOf("postgres://me:a%2Fb@h/d?sslmode=require&application_name=x");
  assert.deepEqual([ssl, connectionString], [
    { rejectUnauthorized: false },
    "postgres://me:a%2Fb@h/d?application_name=x",
  ]);
});
