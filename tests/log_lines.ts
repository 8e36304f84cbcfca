/** A process that logs one line of each level, and says on stdout that it got to the end. @module */
import { getLogger } from "@logtape/logtape";
import { configureLogs, type Level } from "../src/logging.ts";

configureLogs(Deno.args[0] as Level, Deno.args[1] === "json");
const log = getLogger(["galo", "test"]);
log.debug("one {n}", { n: 1 });
log.info("two {n}", { n: 2 });
log.warn("three {n}", { n: 3 });
log.error("four {n}", { n: 4 });
console.log("done");
