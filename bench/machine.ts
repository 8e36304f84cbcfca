/** What a benchmark ran on, in one line. @module */
export async function machine(): Promise<string> {
  const cpu = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo").catch(() => ""))?.[1] ?? "unknown";
  const { total } = Deno.systemMemoryInfo();
  const kernel = Deno.osRelease();
  return `${navigator.hardwareConcurrency} cores (${cpu}), ${
    Math.round(total / 2 ** 30)
  } GiB, Linux ${kernel}, Deno ${Deno.version.deno}`;
}
