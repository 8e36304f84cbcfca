/** The roster of most tests. @module */
import { Roster } from "../../src/payment/roster.ts";

/** Two replicas, `a` and `b`. */
export const PAIR = new Roster(["a", "b"]);
