/** Makes a violation small: fewer kinds of faults, fewer payments. @module */
import { FAULT_KINDS, type FaultKind, type PlanOptions } from "./plan.ts";
import { type Report, run } from "./run.ts";

/** The least options under which `seed` still breaks the promise that `check` is about. */
export async function shrink(seed: number, check: string, options: PlanOptions): Promise<PlanOptions> {
  const breaks = async (tried: PlanOptions) => (await run(seed, tried)).violation?.check === check;
  let without: FaultKind[] = [...options.without ?? []];
  for (const kind of FAULT_KINDS) {
    if (!without.includes(kind) && await breaks({ ...options, without: [...without, kind] })) {
      without = [...without, kind];
    }
  }
  let payments = options.payments ?? (await run(seed, { ...options, without })).payments;
  for (let step = payments >> 1; step > 0; step >>= 1) {
    while (payments > step && await breaks({ ...options, without, payments: payments - step })) payments -= step;
  }
  const shorter = { ...options, without, payments };
  return await breaks(shorter) ? shorter : { ...options, without };
}

/** The command that shows a run, or some, again. */
export function command(seed: number, { without, payments, hosts }: PlanOptions, seeds = 1): string {
  const options = [
    `--seed ${seed} --seeds ${seeds}`,
    hosts ? "--hosts" : "",
    payments === undefined ? "" : `--payments ${payments}`,
    without?.length ? `--without ${without.join(",")}` : "",
    seeds === 1 ? "--trace" : "",
  ];
  return `deno task simulate ${options.filter(Boolean).join(" ")}`;
}

/** The lines of a trace that a reader needs first: what happened to the payment, and to the cluster. */
export function gist({ lines, violation }: Report): readonly string[] {
  const id = violation?.message.match(/[0-9a-f]{8}-[0-9a-f-]{27}/)?.[0];
  const cluster =
    /^\s*[\d.]+ {2}(start|died|stopped|resume|log|lost|segment|faults end|kill|kill-both|pause|purge|restart|link-(?:cut|drop|half)|clock-|store-(?:down|restored)|disk-full|file-limit|machine-death|fact +\\S* (?:moved|purged|doubted))/;
  return lines.filter((line) => id !== undefined && line.includes(id) || cluster.test(line));
}
