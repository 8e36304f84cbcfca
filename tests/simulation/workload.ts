/** The callers: they pay, hang up, come again, and ask for summaries. @module */
import type { ReplicaId } from "../../src/payment/fact.ts";
import type { Cents } from "../../src/payment/money.ts";
import { Prng } from "./prng.ts";
import type { World } from "./world.ts";

const TRIES_MAX = 6;
const ANSWER_MS = 1_000;
const SUMMARIES = 12;
const FIXED_CENTS = 1990;

/** Plans what all callers of a run do. */
export function schedule(world: World): void {
  const { plan, timeline } = world;
  const prng = new Prng(plan.seed * 2 + 2);
  const bursts = Array.from({ length: 4 }, () => prng.between(0, plan.safetyMs));
  const shape = prng.float();
  for (let i = 0; i < plan.payments; i++) {
    const ms = prng.chance(shape) ? prng.pick(bursts) + prng.between(0, 20) : prng.between(0, plan.safetyMs);
    const [id, cents] = [prng.uuid(), plan.fixedAmount ? FIXED_CENTS : prng.whole(1, 100_000)];
    const caller = new Caller(world, prng.fork(), id, cents);
    timeline.in(ms, () => caller.send(prng.pick(world.names), cents));
    if (prng.chance(plan.client.again)) {
      const [to, laterMs] = [prng.pick(world.names), prng.pick([0, 1, 5, 300]) * prng.float()];
      timeline.in(ms + laterMs, () => caller.send(to, cents));
    }
    if (prng.chance(plan.client.otherAmount)) {
      const [to, laterMs, more] = [prng.pick(world.names), prng.pick([0, 1, 5, 300]) * prng.float(), prng.whole(1, 50)];
      timeline.in(ms + laterMs, () => caller.send(to, cents + more));
    }
  }
  for (let i = 0; i < SUMMARIES; i++) {
    const [ms, name, whole] = [prng.between(0, plan.safetyMs), prng.pick(world.names), prng.chance(0.5)];
    timeline.in(ms, () => {
      const running = world.running[name];
      const nowMs = world.wall.now();
      const from = whole ? undefined : nowMs - prng.whole(0, 3_000);
      running?.life.hear(() => world.summaries.ask(running, from, whole ? undefined : nowMs - prng.whole(-10, 500)));
    });
  }
}

/** One caller, who sends one id. */
class Caller {
  #tries = 0;

  constructor(
    private readonly world: World,
    private readonly prng: Prng,
    private readonly id: string,
    private readonly cents: Cents,
  ) {}

  /** Sends the payment to a replica; comes again where there is no answer or none that is final. */
  send(name: ReplicaId, cents: Cents): void {
    const { world, prng, id } = this;
    if (this.#tries++ >= TRIES_MAX || world.closing) return;
    const running = world.running[name];
    if (!running?.life.alive) return this.#again(cents);
    const { life, replica } = running;
    let answered = false;
    const hangsUp = prng.chance(world.plan.client.hangsUp);
    if (hangsUp) world.fault("client-hangs-up", 0);
    world.timeline.in(hangsUp ? prng.between(0, 20) : ANSWER_MS, () => {
      if (!answered) this.#again(cents);
    });
    life.hear(() => {
      const known = world.ledger.payments.get(id);
      const { epoch } = replica.book;
      // ids are not used again after a purge
      if (known && known.purges < (world.faults.get("purge") ?? 0)) return;
      const payment = world.ledger.sent(id, cents, replica.readiness().ready ? epoch : undefined, world);
      const calledMs = world.timeline.ms;
      world.note("call", life, payment.ordinal, cents, () => `${id} ${cents}`);
      replica.accept(id, cents).then((answer) => {
        if (!life.acts()) return;
        world.acks.answered(running, payment, cents, answer, calledMs, epoch);
        answered = true;
        if (answer !== "accepted" && answer !== "conflict" && answer !== "total-full") this.#again(cents);
      });
    });
  }

  #again(cents: Cents): void {
    const { world, prng } = this;
    if (prng.chance(0.3)) return;
    const name = prng.pick(world.names);
    world.timeline.in(prng.between(1, 400), () => this.send(name, cents));
  }
}
