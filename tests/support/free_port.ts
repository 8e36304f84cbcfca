/** A TCP port that nothing listens on now: another one each time. @module */
import { freePort as free } from "../../src/local/child.ts";

export const freePort = () => free(0, "127.0.0.1");
