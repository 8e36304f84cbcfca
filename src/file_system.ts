/** Folders, and what they are on: only on a disk of this machine are two processes' appends atomic against each other. @module */
import { errorLine, StartError } from "./start_error.ts";

/** Kinds of file systems whose files another machine, or a program, keeps. */
const REMOTE = /^(?:nfs\d*|cifs|smb\w*|9p|virtiofs|fuse(?:blk)?(?:\..+)?|ceph|afs|lustre|gpfs|pvfs2|beegfs|glusterfs)$/;

/**
 * Makes a folder that nobody else may look into, unless it is there.
 *
 * @throws StartError
 */
export function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StartError(`cannot use the folder ${path}: ${errorLine(error)}`);
  }
}

/**
 * The kind of file system that a folder is on, where that is one of another machine's.
 *
 * @returns undefined where it is local, or not known
 */
export function remoteKind(folder: string): string | undefined {
  let kind: string | undefined;
  try {
    kind = fileSystemOf(Deno.realPathSync(folder), Deno.readTextFileSync("/proc/self/mountinfo"));
  } catch {
    return undefined;
  }
  return kind !== undefined && isRemote(kind) ? kind : undefined;
}

/** Whether files on this kind of file system are kept by another machine, or a program. */
export function isRemote(kind: string): boolean {
  return REMOTE.test(kind);
}

/**
 * The kind of file system that a path is on.
 *
 * @param path without symbolic links
 * @param mountinfo as `/proc/self/mountinfo` has it, described in proc(5)
 * @returns undefined where it does not say
 */
export function fileSystemOf(path: string, mountinfo: string): string | undefined {
  let longest = -1;
  let kind: string | undefined;
  for (const line of mountinfo.split("\n")) {
    const [mount, source] = line.split(" - ", 2);
    const point = mount?.split(" ")[4]?.replaceAll(
      /\\([0-7]{3})/g,
      (_, code) => String.fromCharCode(parseInt(code, 8)),
    );
    if (point === undefined || source === undefined) continue;
    const holds = point === "/" || path === point || path.startsWith(`${point}/`);
    // what is mounted later on the same place hides what was there
    if (!holds || point.length < longest) continue;
    longest = point.length;
    kind = source.split(" ", 1)[0];
  }
  return kind;
}
