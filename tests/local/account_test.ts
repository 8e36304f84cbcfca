import assert from "node:assert/strict";
import { serverAccount } from "../../src/local/account.ts";
import { StoreError } from "../../src/store/store.ts";
import { needs, optional } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";

const real = needs("run", "read", "write", "sys");
const asRoot = real.ignore || Deno.uid() === 0 ? real : optional("only root gives a folder to another account");

const PROGRAM = "/usr/bin/postgres";

/** A folder in a folder that every user may enter. */
async function withHome(test: (home: string, folder: string) => Promise<void>): Promise<void> {
  using temp = new TempFolder();
  const folder = temp.path;
  await Deno.chmod(folder, 0o711);
  await Deno.mkdir(`${folder}/galo/postgres`, { recursive: true, mode: 0o700 });
  await test(`${folder}/galo/postgres`, folder);
}

Deno.test("a server that is not started by root runs as the user who starts it", real, async () => {
  await withHome(async (home) => assert.equal(await serverAccount(home, PROGRAM) === undefined, Deno.uid() !== 0));
});

Deno.test(
  "a server that root starts runs as nobody, owns its folder, and may enter the one above",
  asRoot,
  async () => {
    await withHome(async (home, folder) => {
      const nobody = { uid: 65_534, gid: 65_534, name: "nobody" };
      assert.deepEqual(await serverAccount(home, PROGRAM), nobody);
      const [own, above] = [await Deno.stat(home), await Deno.stat(`${folder}/galo`)];
      assert.deepEqual([own.uid, own.gid, own.mode! & 0o777], [65_534, 65_534, 0o700]);
      assert.deepEqual([above.uid, above.mode! & 0o777], [0, 0o701]);
      assert.deepEqual(await serverAccount(home, PROGRAM), nobody);
    });
  },
);

Deno.test("a server that root starts in another user's folder runs as that user", asRoot, async () => {
  await withHome(async (home) => {
    await Deno.chown(home, 12_345, 12_346);
    assert.deepEqual(await serverAccount(home, PROGRAM), { uid: 12_345, gid: 12_346, name: "user 12345" });
    const { uid, gid } = await Deno.stat(home);
    assert.deepEqual([uid, gid], [12_345, 12_346]);
  });
});

Deno.test("the error names a folder further up that the server's account may not enter", asRoot, async () => {
  await withHome(async (home, folder) => {
    await Deno.chmod(folder, 0o700);
    const message = `PostgreSQL cannot run as root, and nobody may not enter ${folder}`;
    await assert.rejects(
      serverAccount(home, PROGRAM),
      new StoreError("refused", `${message}: run as another user, or elsewhere`),
    );
  });
});
