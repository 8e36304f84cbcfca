import assert from "node:assert/strict";
import { mayEnter, serverAccount } from "../../src/local/account.ts";
import { StoreError } from "../../src/store/store.ts";
import { needs, optional } from "../support/permissions.ts";

const real = needs("run", "read", "write", "sys");
const asRoot = real.ignore || Deno.uid() === 0 ? real : optional("only root gives a folder to another account");

Deno.test(
  "a server of root's runs as another user, the same one each time, and no other server does",
  real,
  async () => {
    const account = await serverAccount();
    assert.equal(account !== undefined, Deno.uid() === 0);
    assert.ok(account?.uid !== 0 && account?.gid !== 0);
    assert.deepEqual(await serverAccount(), account);
  },
);

Deno.test(
  "who may enter gets the folder, and passes through the one above; a closed one further up is named",
  asRoot,
  async () => {
    const account = { uid: 12_345, gid: 12_345 };
    const folder = await Deno.makeTempDir({ prefix: "galo-test-" });
    try {
      const home = `${folder}/galo/postgres`;
      await Deno.mkdir(home, { recursive: true, mode: 0o700 });
      const enters = () => mayEnter(account, home, "/usr/bin/postgres");
      await assert.rejects(
        enters,
        (error) => error instanceof StoreError && error.message.includes(`not enter ${folder}:`),
      );
      await Deno.chmod(folder, 0o711);
      await enters();
      const [own, above] = [await Deno.stat(home), await Deno.stat(`${folder}/galo`)];
      assert.deepEqual([own.uid, own.gid, own.mode! & 0o777], [12_345, 12_345, 0o700]);
      assert.deepEqual([above.uid, above.mode! & 0o777], [0, 0o701]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
