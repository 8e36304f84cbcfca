/** Starts the load generator as a process of its own and reads its events. @module */
import { TextLineStream } from "./lines.ts";
import type { LoadDone, LoadEvent, LoadPlan, LoadSecond, LoadStarted } from "./load_event.ts";

const LOAD = new URL("./load.ts", import.meta.url).pathname;

/** A load generator that runs. */
export interface Generator {
  /** when the first virtual user began; rejected where it died before */
  readonly started: Promise<LoadStarted>;
  /** rejected where it died before its end */
  readonly done: Promise<LoadDone>;
  stop(): Promise<void>;
}

/**
 * Starts the load.
 *
 * @param told called once a second of the run
 */
export function startLoad(plan: LoadPlan, told: (second: LoadSecond) => void): Generator {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", LOAD, JSON.stringify(plan)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const started = Promise.withResolvers<LoadStarted>();
  const read = async () => {
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const event = JSON.parse(line) as LoadEvent;
      if (event.type === "started") started.resolve(event);
      else if (event.type === "second") told(event);
      else return event;
    }
    throw new Error(`the load generator ended early, with code ${(await process.status).code}`);
  };
  const done = read();
  done.catch(started.reject);
  // the caller that awaits `done` gets the error
  started.promise.catch(() => {});
  return {
    started: started.promise,
    done,
    async stop() {
      // it ends when its standard input does
      await process.stdin.close().catch(() => {});
      await process.status;
    },
  };
}
