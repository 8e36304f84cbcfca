import { HostNetwork } from "/work/wnet/tests/cluster/host_network.ts";
const sysctl = Deno.args[0];
await using n = await HostNetwork.make(["a"]);
if (sysctl) {
  const [c, ...a] = [
    ...n.on("a"),
    "sh",
    "-c",
    `echo ${sysctl} > /proc/sys/net/ipv4/tcp_orphan_retries; cat /proc/sys/net/ipv4/tcp_orphan_retries`,
  ];
  console.log("orphan_retries", new TextDecoder().decode(new Deno.Command(c!, { args: a }).outputSync().stdout).trim());
}
const l = Deno.listen({ hostname: n.here, port: 0 });
let t0 = 0;
(async () => {
  for await (const c of l) {
    (async () => {
      const b = new Uint8Array(100);
      for (;;) {
        const r = await c.read(b).catch(
          (e) => (console.log(((performance.now() - t0) / 1000).toFixed(1), "err", e.message), null),
        );
        if (r === null) {
          console.log(((performance.now() - t0) / 1000).toFixed(1), "end");
          break;
        }
        console.log(((performance.now() - t0) / 1000).toFixed(1), "got", new TextDecoder().decode(b.subarray(0, r)));
      }
    })();
  }
})();
const code = `const c=await Deno.connect({hostname:"${n.here}",port:${
  (l.addr as Deno.NetAddr).port
}});await c.write(new TextEncoder().encode("hello"));await new Promise(r=>setTimeout(r,1500));await c.write(new TextEncoder().encode("late"));await new Promise(r=>setTimeout(r,600));c.close();`;
const [c, ...a] = [...n.on("a"), Deno.execPath(), "eval", code];
const p = new Deno.Command(c!, { args: a }).spawn();
t0 = performance.now();
await new Promise((r) => setTimeout(r, 1000));
await n.cut("a", true);
console.log("cut");
await p.status;
console.log(((performance.now() - t0) / 1000).toFixed(1), "closed, process ended");
await new Promise((r) => setTimeout(r, 8000 - (performance.now() - t0) + 1000));
await n.heal("a");
console.log(((performance.now() - t0) / 1000).toFixed(1), "healed");
await new Promise((r) => setTimeout(r, 20000));
l.close();
