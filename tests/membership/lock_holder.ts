/** A process that takes a lock, writes a note, says what it found, and holds the lock until it is told otherwise. @module */
import { FileLock } from "../../src/membership/file_lock.ts";

const [folder, name, note] = Deno.args as [string, string, string];
const held = new FileLock(folder).tryAcquire(name);
if (held && note) held.write(note);
console.log(held ? `held ${held.left}` : "taken");
// a line on stdin: let go
await Deno.stdin.read(new Uint8Array(1));
held?.release();
console.log("released");
await Deno.stdin.read(new Uint8Array(1));
