/**
 * Which tests can run: `deno test` without flags runs those that need nothing. What is left out says why, once a file;
 * `deno task test` lists it at the end; and with `CI=true` each reason is a test that fails.
 * @module
 */

/** The options of a test: whether it is left out. */
export interface Needs {
  readonly ignore: boolean;
}

/** The file that `deno task test` reads the reasons from, when it ends. */
export const REASONS_FILE = "GALO_LEFT_OUT";

/**
 * The options of a test that needs permissions.
 *
 * @param names permissions that the test needs in full
 */
export function needs(...names: Deno.PermissionName[]): Needs {
  const missing = names.filter((name) => !granted(name));
  for (const name of missing) leaveOut(`they need --allow-${name}, which deno task test grants`);
  return { ignore: missing.length > 0 };
}

/**
 * The options of a test that needs something of this machine beside its permissions.
 *
 * @param has whether the machine has it; asked only where the permissions are granted
 * @param lack what is said where it has not, with how to get it
 */
export function needsOf(real: Needs, has: () => boolean, lack: string): Needs {
  if (real.ignore || has()) return real;
  leaveOut(lack);
  return { ignore: true };
}

/** The options of a test that runs only if it is asked for, also with `CI=true`. */
export function optional(how: string): Needs {
  note(how);
  return { ignore: true };
}

/**
 * The path of the first of these programs that is on the PATH; undefined if there is none, or if the test may not look.
 */
export function program(...names: string[]): string | undefined {
  if (!["run", "read", "env"].every((name) => granted(name as Deno.PermissionName))) return undefined;
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return names.flatMap((name) => folders.map((folder) => `${folder}/${name}`)).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

export const CADDY = program("caddy");
export const CHROMIUM = program("chromium", "chromium-browser");
export const PROMTOOL = program("promtool");

export const NO_CADDY = "no caddy on the PATH: Debian testing's package or https://caddyserver.com, 2.11.4 or newer";
export const NO_CHROMIUM = "no chromium on the PATH: Debian's package chromium";
export const NO_PROMTOOL = "no promtool on the PATH: Debian's package prometheus";

function granted(name: Deno.PermissionName): boolean {
  return Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state === "granted";
}

function leaveOut(why: string): void {
  if (!note(why) || !granted("env") || Deno.env.get("CI") !== "true") return;
  Deno.test(`nothing is left out: ${why}`, () => {
    throw new Error(`tests of this file were left out: ${why}`);
  });
}

const noted = new Set<string>();

/** @returns whether this is the first time in this file */
function note(why: string): boolean {
  if (noted.has(why)) return false;
  noted.add(why);
  console.warn(`left out: ${why}`);
  const file = granted("env") && Deno.env.get(REASONS_FILE);
  if (file) Deno.writeTextFileSync(file, `${Deno.mainModule}\t${why}\n`, { append: true });
  return true;
}
