import assert from "node:assert/strict";
import { makeFolder, REMOTE_KINDS, remoteKind } from "../src/file_system.ts";
import { StartError } from "../src/errors.ts";
import { needs } from "./support/permissions.ts";
import { TempFolder } from "./support/temp_folder.ts";

Deno.test("disks and memory of this machine are local, what another machine or a program keeps is not", () => {
  const ext4 = 0xef53, xfs = 0x58465342, btrfs = 0x9123683e, zfs = 0x2fc12fc1, overlay = 0x794c7630, tmpfs = 0x01021994;
  for (const type of [ext4, xfs, btrfs, zfs, overlay, tmpfs, 0]) assert.equal(REMOTE_KINDS.get(type), undefined);
  const [nfs, cifs, plan9, fuse, ceph, lustre] = [0x6969, 0xff534d42, 0x01021997, 0x65735546, 0x00c36400, 0x0bd00bd0];
  const kinds = [nfs, cifs, cifs | 0, plan9, fuse, ceph, lustre].map((type) => REMOTE_KINDS.get(type! >>> 0));
  assert.deepEqual(kinds, ["NFS", "CIFS", "CIFS", "9p", "FUSE or virtiofs", "Ceph", "Lustre"]);
});

Deno.test("a folder that is not there is on nothing that is known", needs("read", "sys"), () => {
  assert.equal(remoteKind("/nowhere/at/all"), undefined);
  assert.equal(remoteKind("/"), undefined);
});

Deno.test("a folder is made for its owner only, and making it again is no error", needs("read", "write"), async () => {
  using temp = new TempFolder();
  const folder = temp.path;
  for (let times = 0; times < 2; times++) makeFolder(`${folder}/a/log`);
  assert.equal(Deno.statSync(`${folder}/a/log`).mode! & 0o777, 0o700);
  await Deno.writeTextFile(`${folder}/file`, "");
  assert.throws(
    () => makeFolder(`${folder}/file/log`),
    (error: Error) =>
      error instanceof StartError && error.message.startsWith(`cannot use the folder ${folder}/file/log: `),
  );
});
