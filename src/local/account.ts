/** PostgreSQL refuses to run as root: which account it runs as instead, and what that one must be able to enter. @module */
import { dirname } from "node:path";
import { StoreError } from "../store/store.ts";

/** Ids of a user and a group of the system. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const NAME = "postgres";

/**
 * The account to run the server as: undefined for this process's own, else the user `postgres`, which is made where there
 * is none.
 *
 * @throws StoreError where it cannot be made
 */
export async function serverAccount(): Promise<Account | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const ids = async () => {
    const [uid, gid] = await Promise.all([output("id", "-u", NAME), output("id", "-g", NAME)]);
    return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
  };
  const known = await ids();
  if (known) return known;
  await output("groupadd", "--system", NAME);
  await output("useradd", "--system", "--no-create-home", "--gid", NAME, NAME);
  const made = await ids();
  if (made) return made;
  throw new StoreError(
    "refused",
    `PostgreSQL cannot run as root, and no user ${NAME} can be made: run as another user`,
  );
}

/** What a program says; nothing where it fails, or is not there. */
export async function output(program: string, ...args: string[]): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : "";
  } catch {
    return "";
  }
}

/**
 * Hands the folder to the account, and lets it pass through the folder above, which is Galo's own.
 *
 * @throws StoreError naming a folder that it may not enter
 */
export async function mayEnter(account: Account, home: string, program: string): Promise<void> {
  await Deno.chown(home, account.uid, account.gid);
  const above = await Deno.stat(dirname(home));
  if (!passable(above, account)) await Deno.chmod(dirname(home), above.mode! & 0o777 | 0o001);
  for (const path of [dirname(home), dirname(program)]) {
    for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
      if (passable(await Deno.stat(folder), account)) continue;
      const line = `PostgreSQL cannot run as root, and the user ${NAME} may not enter ${folder}`;
      throw new StoreError("refused", `${line}: run as another user, or elsewhere`);
    }
  }
}

function passable({ mode, uid, gid }: Deno.FileInfo, account: Account): boolean {
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (mode! & bit) !== 0;
}
