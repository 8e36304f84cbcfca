import assert from "node:assert/strict";
import { fileSystemOf, isRemote, makeFolder, remoteKind } from "../src/file_system.ts";
import { StartError } from "../src/start_error.ts";
import { needs } from "./support/permissions.ts";

/** As proc(5) describes it: the kind stands after the dash, behind any number of optional fields. */
const MOUNTS = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:40 / /srv rw - nfs4 server:/srv rw,vers=4.2
31 30 0:41 / /srv/local rw shared:2 master:1 - xfs /dev/vdb rw
32 27 0:42 / /mnt/with\\040space rw - fuse.sshfs me@there: rw
33 27 0:43 / /over rw - ext4 /dev/vdc rw
34 33 0:44 / /over rw - cifs //server/share rw
`;

Deno.test("a path is on what is mounted nearest above it, and last", () => {
  for (
    const [path, kind] of [
      ["/", "ext4"],
      ["/home/galo/log", "ext4"],
      ["/srv", "nfs4"],
      ["/srv/galo", "nfs4"],
      ["/srvX", "ext4"],
      ["/srv/local/galo", "xfs"],
      ["/srv/localhost", "nfs4"],
      ["/mnt/with space/galo", "fuse.sshfs"],
      ["/over/galo", "cifs"],
      ["/proc/1", "proc"],
    ] as const
  ) {
    assert.equal(fileSystemOf(path, MOUNTS), kind, path);
  }
  assert.equal(fileSystemOf("/anywhere", ""), undefined);
  assert.equal(fileSystemOf("/anywhere", "no mounts here\n"), undefined);
});

Deno.test("disks and memory of this machine are local, what another machine or a program keeps is not", () => {
  for (const kind of ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "f2fs", "apfs", "nfsd", "fusectl"]) {
    assert.equal(isRemote(kind), false, kind);
  }
  const remote = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "fuse", "fuse.sshfs", "fuse.glusterfs"];
  for (const kind of [...remote, "fuseblk", "ceph", "lustre"]) assert.equal(isRemote(kind), true, kind);
});

Deno.test("a folder that is not there is on nothing that is known", needs("read"), () => {
  assert.equal(remoteKind("/nowhere/at/all"), undefined);
});

Deno.test("a folder is made for its owner only, and again without a word", needs("read", "write"), async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (let times = 0; times < 2; times++) makeFolder(`${folder}/a/log`);
    assert.equal(Deno.statSync(`${folder}/a/log`).mode! & 0o777, 0o700);
    await Deno.writeTextFile(`${folder}/file`, "");
    assert.throws(
      () => makeFolder(`${folder}/file/log`),
      (error: Error) =>
        error instanceof StartError && error.message.startsWith(`cannot use the folder ${folder}/file/log: `),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
