/** PostgreSQL refuses to run as root: the account it runs as instead, if that reaches the files it needs. @module */
import { dirname } from "node:path";
import { StoreError } from "../store/store.ts";

/** A user and a group of the system by their ids, and the user's name for people. */
export interface Account {
  /** the user's id */
  readonly uid: number;
  /** the group's id */
  readonly gid: number;
  /** for people */
  readonly name: string;
}

/** The user that every system has for programs without rights, and its group. */
const NOBODY = Deno.build.os === "darwin" ? 2 ** 32 - 2 : 65_534;

/**
 * The account to run the server of a folder as: undefined for this process's own, else the owner of the folder, which
 * becomes that of `nobody` if it is root's. The account may pass through the folder above, which is Galo's own.
 *
 * @throws StoreError naming a folder that it may not enter
 */
export async function serverAccount(home: string, program: string): Promise<Account | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const owner = await Deno.stat(home);
  const [uid, gid] = owner.uid ? [owner.uid, owner.gid!] : [NOBODY, NOBODY];
  const account = { uid, gid, name: uid === NOBODY ? "nobody" : `user ${uid}` };
  await Deno.chown(home, uid, gid);
  const above = await Deno.stat(dirname(home));
  if (!passable(above, account)) await Deno.chmod(dirname(home), above.mode! & 0o777 | 0o001);
  for (const path of [dirname(home), dirname(program)]) {
    for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
      if (passable(await Deno.stat(folder), account)) continue;
      const line = `PostgreSQL cannot run as root, and ${account.name} may not enter ${folder}`;
      throw new StoreError("refused", `${line}: run as another user, or elsewhere`);
    }
  }
  return account;
}

function passable({ mode, uid, gid }: Deno.FileInfo, account: Account): boolean {
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (mode! & bit) !== 0;
}
