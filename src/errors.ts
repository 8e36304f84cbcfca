/** What keeps something from starting: one line for the person who started it. */
export class StartError extends Error {
  override name = "StartError";
}

/** Whether files cannot be used as they have to be, for their rights or their kind: a person has to mend that. */
export function isOfFiles(error: unknown): boolean {
  return ["EACCES", "EPERM", "EROFS", "EISDIR", "ENOTDIR"].includes((error as { code?: string } | null)?.code ?? "");
}

/** What an error says, in one line. */
export function errorLine(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  const line = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
  if (error instanceof Deno.errors.AddrInUse || code === "EADDRINUSE") return "the address is taken";
  if (error instanceof Deno.errors.NotCapable) return `a permission is missing: ${line}`;
  return line;
}

/** An invariant is broken: a replica ends with this code, and nothing may go on (EX_SOFTWARE of sysexits.h). */
export const EXIT_INVARIANT = 70;
/** It has to be started again, and then goes on (EX_TEMPFAIL). */
export const EXIT_RESTART = 75;
