/** Folders and their file systems: two processes' appends are atomic against each other only on a disk of this machine. @module */
import { statfsSync } from "node:fs";
import { errorLine, StartError } from "./errors.ts";

/** File systems of another machine or of a program, by their numbers in statfs(2). */
export const REMOTE_KINDS: ReadonlyMap<number, string> = new Map([
  ...[[0x6969, "NFS"], [0xff534d42, "CIFS"], [0xfe534d42, "SMB"], [0x517b, "SMB"], [0x01021997, "9p"]] as const,
  ...[[0x65735546, "FUSE or virtiofs"], [0x00c36400, "Ceph"], [0x5346414f, "AFS"], [0x6b414653, "AFS"]] as const,
  ...[[0x0bd00bd0, "Lustre"], [0x47504653, "GPFS"], [0x20030528, "PVFS2"], [0x19830326, "BeeGFS"]] as const,
]);

/** Bytes that the path of a UNIX socket may have (unix(7): 108 on Linux, 104 elsewhere, with the zero at its end). */
const SOCKET_PATH_MAX = 103;

/** Whether a socket may have this path. */
export function fitsSocket(path: string): boolean {
  return new TextEncoder().encode(path).length <= SOCKET_PATH_MAX;
}

/** Where a replica listens to its peers in DATA_DIR: its longest path there. @throws StartError if it is too long for a socket */
export function peerSocket(folder: string, replica: string): string {
  const name = `/peer-${replica}.sock`;
  if (fitsSocket(folder + name)) return folder + name;
  throw new StartError(
    `DATA_DIR: ${folder} is too long for a socket in it: at most ${SOCKET_PATH_MAX - name.length} bytes`,
  );
}

/** Makes a folder that only its owner may enter, unless it exists. @throws StartError */
export function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StartError(`cannot use the folder ${path}: ${errorLine(error)}`);
  }
}

/**
 * The kind of a folder's file system, if that belongs to another machine.
 *
 * @returns undefined if it is local, or not known
 */
export function remoteKind(folder: string): string | undefined {
  try {
    return REMOTE_KINDS.get(statfsSync(folder).type >>> 0);
  } catch {
    return undefined;
  }
}
