/** The names of the replicas whose log a folder has. @module */
import { StartError } from "../errors.ts";
import { isSameOrder } from "../payment/roster.ts";

/**
 * Remembers in DATA_DIR the names of the replicas, by whose places records name them.
 *
 * @param log the numbers of its segments
 * @returns the longest list so far
 * @throws StartError if they are those of other replicas
 */
export function keepRoster(folder: string, names: readonly string[], log: readonly number[]): readonly string[] {
  const path = `${folder}/replicas`;
  let text = log.length > 0 ? "a,b" : ""; // earlier versions had no such file, and these replicas
  try {
    text = Deno.readTextFileSync(path).trim();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const known = text ? text.split(",") : [];
  if (!isSameOrder(names, known)) {
    throw new StartError(
      `REPLICAS: the log in ${folder} is of REPLICAS=${known}: names are only added or removed at the end`,
    );
  }
  if (names.length <= known.length) return known;
  const draft = `${path}.${crypto.randomUUID()}`;
  Deno.writeTextFileSync(draft, `${names}\n`, { mode: 0o600 });
  Deno.renameSync(draft, path);
  return names;
}
