/** The connection of a replica to its NATS servers. This folder alone uses their client, and is loaded only if LOG names servers. @module */
import { isIP, type Socket } from "node:net";
import { jetstream, type JetStreamClient, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, type ConnectionOptions, errors, type NatsConnection } from "@nats-io/transport-node";
import { NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";
import { NATS_OLDEST, type NatsServers } from "../config.ts";
import { errorLine } from "../errors.ts";
import { StreamError } from "../ledger/stream.ts";

/** How long a server may take to accept a client, or to answer a request, in milliseconds. */
export const ANSWER_MS = 2_000;
/** The interval of pings, in milliseconds; after two without an answer the client tries another server. */
const PING_MS = 1_000;
/** The pause before the next server is tried, in milliseconds. */
const RECONNECT_MS = 100;

/** Why the servers cannot be used. */
export class NatsError extends StreamError {
  /** for `String(error)` */
  override name = "NatsError";
  /**
   * Trouble with the servers.
   *
   * @param kind `unavailable`: trying again may help; `refused`: somebody has to act first
   * @param message one clear line, without secrets
   */
  constructor(readonly kind: "unavailable" | "refused", message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** A connection that finds its way to a living server by itself. */
export class Nats {
  /** Whether a server is there; what is published while none is would be lost. */
  connected = true;
  /** publishes, with {@link ANSWER_MS} for the answer */
  readonly client: JetStreamClient;
  readonly #left = new Set<() => void>();

  private constructor(
    readonly connection: NatsConnection,
    /** its requests are rejected after {@link ANSWER_MS} */
    readonly manager: JetStreamManager,
    /** on how many servers a stream is: three in a cluster */
    readonly copies: 1 | 3,
    private readonly fail: (error: unknown) => void,
  ) {
    this.client = jetstream(connection, { timeout: ANSWER_MS });
    this.#follow();
  }

  /**
   * Connects to one of the servers, after checking each.
   *
   * @param name shown by the server's own tools
   * @param fail called with what a listener threw: a broken invariant, which the client would only print
   * @throws NatsError `refused` if a server that answers cannot be used; `unavailable` if none answers
   */
  static async connect(servers: NatsServers, name: string, fail: (error: unknown) => void): Promise<Nats> {
    // the client would compare the certificate of an address with "localhost"
    const address = servers.tls && servers.servers.find((server) => isIP(hostOf(server)));
    if (address) {
      const why = "tls:// takes a host by its name, as in its certificate, not by its address";
      throw new NatsError("refused", `${why}: ${address}`);
    }
    const found = await Promise.all(servers.servers.map((server) => lookAt(server, servers)));
    const refused = found.find((error) => error?.kind === "refused");
    if (refused) throw refused;
    if (found.every((error) => error !== undefined)) {
      throw new NatsError(
        "unavailable",
        `no NATS server can be used: ${found.map(({ message }) => message).join("; ")}`,
      );
    }
    const options = { ...optionsOf(servers), servers: [...servers.servers], name, waitOnFirstConnect: true };
    const connection = await connect(options);
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_MS });
      return new Nats(connection, manager, connection.info!.cluster ? 3 : 1, fail);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** Calls `listener` whenever the connection to a server ends. @returns how to end that */
  onLeft(listener: () => void): () => void {
    this.#left.add(listener);
    return () => void this.#left.delete(listener);
  }

  /** Calls a listener, and reports what it throws. */
  handOn(event: () => void): void {
    try {
      event();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Leaves the server for another one. */
  leave(): void {
    if (this.connected) this.connection.reconnect().catch(() => {});
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.connected = false;
    await this.connection.close();
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === "reconnect") this.connected = true;
      if (type !== "disconnect" && type !== "close") continue;
      this.connected = false;
      for (const listener of [...this.#left]) listener();
    }
  }
}

/**
 * The client takes its listeners off a socket while it connects, and puts others on a moment later: an error in between
 * would end the process.
 */
function keepHearing(step: "dial" | "startTLS"): void {
  const make = NodeTransport.prototype[step] as (...args: unknown[]) => Promise<Socket>;
  const patched: Partial<Record<typeof step, unknown>> = NodeTransport.prototype;
  patched[step] = async function (...args: unknown[]): Promise<Socket> {
    const socket = await make.apply(this, args);
    const removeAll = socket.removeAllListeners;
    socket.removeAllListeners = (...names) => removeAll.apply(socket, names).on("error", () => {});
    return socket.on("error", () => {});
  };
}
keepHearing("dial");
keepHearing("startTLS");

function hostOf(server: string): string {
  return server.replace(/:\d+$/, "").replaceAll(/[[\]]/g, "");
}

function optionsOf({ tls, user, pass, token }: NatsServers): ConnectionOptions {
  const options: ConnectionOptions = {
    timeout: ANSWER_MS,
    pingInterval: PING_MS,
    // a server beside this replica is the nearest
    noRandomize: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    tls: tls ? {} : null,
  };
  if (user !== undefined) [options.user, options.pass] = [user, pass ?? ""];
  if (token !== undefined) options.token = token;
  return options;
}

/** @returns why this server cannot be used; undefined if it can */
async function lookAt(server: string, servers: NatsServers): Promise<NatsError | undefined> {
  const refused = (why: string) => new NatsError("refused", `the NATS server at ${server} ${why}`);
  let connection: NatsConnection;
  try {
    connection = await connect({ ...optionsOf(servers), servers: [server], reconnect: false });
  } catch (error) {
    return connectError(server, servers, error);
  }
  try {
    const { version, jetstream } = connection.info!;
    const [major, minor] = version.split(".").map(Number);
    if (!(major! > NATS_OLDEST[0] || major === NATS_OLDEST[0] && minor! >= NATS_OLDEST[1])) {
      return refused(`has version ${version}, but must have ${NATS_OLDEST.join(".")} or newer`);
    }
    // a server without JetStream may pass on to others of its cluster
    if (!jetstream) await jetstreamManager(connection, { timeout: ANSWER_MS });
    return undefined;
  } catch (error) {
    if (error instanceof errors.TimeoutError) return connectError(server, servers, error);
    return refused("has JetStream turned off: start it with --jetstream");
  } finally {
    await connection.close();
  }
}

function connectError(server: string, { user, token }: NatsServers, cause: unknown): NatsError {
  if (cause instanceof errors.AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError) {
    const what = user !== undefined
      ? `the user ${user} or its password`
      : token
      ? "the token"
      : "clients without a user";
    return new NatsError("refused", `the NATS server at ${server} refuses ${what}`);
  }
  const line = cause instanceof errors.TimeoutError ? `no answer for ${ANSWER_MS} ms` : errorLine(cause);
  const tls = /certificate|'tls'|UnknownIssuer/i.test(line);
  return new NatsError(tls ? "refused" : "unavailable", `${server}: ${line}`, { cause });
}
