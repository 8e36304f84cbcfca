/** A process that takes a lock, says what it found, and holds the lock until a byte comes on stdin. @module */
import { FileLocks } from "../../src/membership/file_lock.ts";

const [folder, name] = Deno.args as [string, string];
const held = new FileLocks(folder).tryAcquire(name);
console.log(held ? "held" : "taken");
// a byte on stdin: let go
await Deno.stdin.read(new Uint8Array(1));
held?.release();
console.log("released");
await Deno.stdin.read(new Uint8Array(1));
