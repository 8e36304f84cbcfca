/** A folder that a test removes at its end. @module */

/** `using` removes it, with all that is in it. */
export class TempFolder implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "galo-" }));

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
