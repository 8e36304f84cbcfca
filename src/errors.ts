/** A start failed: the message is one line for the person who started it. */
export class StartError extends Error {
  /** what a stack shows */
  override name = "StartError";
}

/** The system's code for an error, such as `EACCES`; undefined if it has none. */
function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null | undefined)?.code;
}

/** Whether files cannot be used, because of their rights or their kind: a person must fix that. */
export function isOfFiles(error: unknown): boolean {
  return ["EACCES", "EPERM", "EROFS", "EISDIR", "ENOTDIR"].some((code) => code === codeOf(error));
}

/** Whether this process, or the machine, has no file descriptor left for now. */
export function isOutOfFiles(error: unknown): boolean {
  return ["EMFILE", "ENFILE"].some((code) => code === codeOf(error));
}

/** The message of an error, in one line. */
export function errorLine(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
  if (error instanceof Deno.errors.AddrInUse || codeOf(error) === "EADDRINUSE") return "the address is taken";
  if (error instanceof Deno.errors.NotCapable) return `a permission is missing: ${line}`;
  return line;
}

/** Exit code for a broken invariant: the replica must not continue (EX_SOFTWARE of sysexits.h). */
export const EXIT_INVARIANT = 70;
/** Exit code for a restart, after which all is well (EX_TEMPFAIL). */
export const EXIT_RESTART = 75;
