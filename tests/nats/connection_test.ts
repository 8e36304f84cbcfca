import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import type { NatsServers as Addresses } from "../../src/config.ts";
import { Nats, NatsError } from "../../src/nats/connection.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { needsOf, program } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { until } from "../support/until.ts";

const PASSWORD = "geheim-7261";
const fail = (error: unknown) => {
  throw error;
};

/** On how many servers a stream is, or why the servers cannot be used. */
async function says(servers: readonly string[], access: Partial<Addresses> = {}): Promise<string | number> {
  try {
    const nats = await Nats.connect({ servers, tls: false, ...access }, "test", fail);
    await nats.close();
    return nats.copies;
  } catch (error) {
    assert.ok(error instanceof NatsError, String(error));
    assert.equal(/\n/.test(error.message) || JSON.stringify(error).includes(PASSWORD), false);
    return `${error.kind}: ${error.message}`;
  }
}

Deno.test(
  "a server that has no credentials is used, also where others of the list do not answer",
  needsNats,
  async () => {
    await using servers = await NatsServers.start();
    const [address] = servers.addresses;
    assert.equal(await says([address!]), 1);
    // nothing listens there, and nothing is given these ports
    const [nobody, other] = ["127.0.0.1:1", "127.0.0.1:2"];
    assert.equal(await says([nobody, address!]), 1);
    assert.equal(
      await says([nobody, other]),
      `unavailable: no NATS server can be used: ${nobody}: connection refused; ${other}: connection refused`,
    );
    const named = address!.replace("127.0.0.1", "localhost");
    assert.equal(await says([named], { tls: true }), `refused: ${named}: server does not support 'tls'`);
    servers.pause(0);
    assert.equal(await says([address!]), `unavailable: no NATS server can be used: ${address}: no answer for 2000 ms`);
  },
);

Deno.test("a wrong password, user or token is one line that names the server, and no secret", needsNats, async () => {
  await using servers = await NatsServers.start({ lines: `authorization: { user: ann, password: "${PASSWORD}" }` });
  const [address] = servers.addresses;
  const at = `refused: the NATS server at ${address} refuses`;
  assert.equal(await says([address!], { user: "ann", pass: PASSWORD }), 1);
  assert.equal(await says([address!], { user: "ann", pass: `${PASSWORD}x` }), `${at} the user ann or its password`);
  assert.equal(await says([address!], { user: "bob", pass: PASSWORD }), `${at} the user bob or its password`);
  assert.equal(await says([address!], { token: PASSWORD }), `${at} the token`);
  assert.equal(await says([address!]), `${at} clients without a user`);
});

Deno.test("a server without JetStream is refused", needsNats, async () => {
  await using servers = await NatsServers.start({ jetStream: false });
  const [address] = servers.addresses;
  assert.equal(
    await says([address!]),
    `refused: the NATS server at ${address} has JetStream turned off: start it with --jetstream`,
  );
});

Deno.test("a server that is older than 2.12, or says nothing that NATS says, is refused", needsNats, async () => {
  for (
    const [version, expected] of [
      ["2.11.9", "has version 2.11.9, but must have 2.12 or newer"],
      ["1.99.0", "has version 1.99.0, but must have 2.12 or newer"],
      ["2.12.0", undefined],
      ["3.0.0-beta.1", undefined],
    ] as const
  ) {
    using server = new Announcing(`INFO ${JSON.stringify({ version, max_payload: 1, jetstream: true })}\r\n`);
    const said = await says([server.address]);
    assert.equal(said, expected ? `refused: the NATS server at ${server.address} ${expected}` : 1);
  }
  using slow = new Announcing(`INFO ${JSON.stringify({ version: "2.12.0", max_payload: 1, jetstream: false })}\r\n`);
  assert.equal(
    await says([slow.address]),
    `unavailable: no NATS server can be used: ${slow.address}: no answer for 2000 ms`,
  );
  using server = new Announcing("HTTP/1.1 400 Bad Request\r\n\r\n");
  assert.equal(
    await says([server.address]),
    `unavailable: no NATS server can be used: ${server.address}: unexpected response from server`,
  );
});

Deno.test("a connection finds its way to another server when its own stops or stands still", needsNats, async () => {
  await using servers = await NatsServers.start({ count: 3 });
  const nats = await Nats.connect({ servers: servers.addresses, tls: false }, "test", fail);
  assert.equal(nats.copies, 3);
  let left = 0;
  const forget = nats.onLeft(() => left++);
  const [first] = servers.addresses;
  assert.equal(nats.connection.getServer(), first);
  servers.pause(0);
  await until(() => nats.connected && nats.connection.getServer() !== first);
  assert.equal(left, 1);
  servers.resume(0);
  const second = nats.connection.getServer();
  await servers.kill(servers.addresses.indexOf(second));
  await until(() => nats.connected && nats.connection.getServer() !== second);
  assert.equal(left, 2);
  nats.leave();
  await until(() => nats.connected && left === 3);
  forget();
  await nats.close();
  assert.deepEqual([nats.connected, left], [false, 3]);
});

Deno.test("a server that resets a connection as soon as it is made ends no more than that", needsNats, async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {}).write(`INFO ${JSON.stringify({ version: "2.12.0", jetstream: true })}\r\n`);
    socket.once("data", () => socket.write("PONG\r\n", () => socket.resetAndDestroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // an error that the client leaves to nobody would fail the test
  for (let i = 0; i < 20; i++) assert.equal(await says([`127.0.0.1:${(server.address() as AddressInfo).port}`]), 1);
  server.close();
});

const OPENSSL = program("openssl");
const needsTls = needsOf(needsNats, () => OPENSSL !== undefined, "no openssl on the PATH: Debian's package openssl");

Deno.test(
  "tls:// trusts who DENO_CERT trusts, for the names in the certificate, and nobody else",
  needsTls,
  async () => {
    using folder = new TempFolder();
    await certify(folder.path);
    const lines = `tls: { cert_file: "${folder.path}/localhost.pem", key_file: "${folder.path}/localhost.key" }`;
    await using servers = await NatsServers.start({ lines });
    const port = servers.addresses[0]!.split(":")[1];
    const ask = async (host: string, cert: string | undefined) => {
      const code = `import { Nats } from "${import.meta.resolve("../../src/nats/connection.ts")}";
      await Nats.connect({ servers: ["${host}:${port}"], tls: true }, "test", () => {})
        .then(async (nats) => (await nats.close(), console.log("ok")), ({ kind }) => console.log(kind));`;
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const args = ["eval", "--config", config, code];
      const env = cert ? { DENO_CERT: `${folder.path}/${cert}` } : {};
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env }).output();
      assert.equal(new TextDecoder().decode(stderr), "");
      return new TextDecoder().decode(stdout).trim();
    };
    assert.equal(await ask("localhost", "ca.pem"), "ok");
    assert.equal(await ask("localhost", undefined), "refused");
    // the client would compare the certificate with "localhost"
    assert.equal(
      await says([`127.0.0.1:${port}`], { tls: true }),
      `refused: tls:// takes a host by its name, as in its certificate, not by its address: 127.0.0.1:${port}`,
    );
  },
);

/** Makes `ca.pem`, and a certificate that it signed for localhost. */
async function certify(folder: string): Promise<void> {
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command(OPENSSL!, { args, cwd: folder }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  };
  const own = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`, "-keyout", `${name}.key`];
  await openssl("req", "-x509", "-days", "30", ...own("ca"), "-out", "ca.pem");
  await openssl("req", ...own("localhost"), "-out", "localhost.csr");
  await Deno.writeTextFile(`${folder}/ext`, "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n");
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext"];
  await openssl("x509", "-req", "-in", "localhost.csr", ...signed, "-out", "localhost.pem");
}

/** A server that says the same to everybody, and answers a ping. */
class Announcing implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly address = `127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;

  constructor(private readonly text: string) {
    void this.#accept();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#open.add(connection);
      void this.#serve(connection).catch(() => {}).finally(() => this.#open.delete(connection));
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const encoder = new TextEncoder();
    await connection.write(encoder.encode(this.text));
    for await (const bytes of connection.readable) {
      if (new TextDecoder().decode(bytes).includes("PING")) await connection.write(encoder.encode("PONG\r\n"));
    }
  }
}
