/**
 * The way between the replicas, as bytes: delayed, split, joined, held back in one direction or both, cut off in the
 * middle of a frame, and closed with only one side noticing.
 * @module
 */
import type { Channel, ChannelListener, Transport } from "../../src/peer/transport.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

type Open = (channel: Channel) => ChannelListener;

/** How unkind the network is; times in milliseconds. */
export interface NetworkFaults {
  delayMs: number;
  /** share of deliveries that bring only a part */
  split: number;
  /** share of deliveries that take {@link LATE_MS} longer */
  late: number;
  /** share of attempts to connect that fail */
  refuse: number;
}

const LATE_MS = 60;

/** One end of a connection, and the bytes on their way to it. */
class End implements Channel {
  listener: ChannelListener | undefined;
  other!: End;
  /** nothing is delivered to this end any more */
  closed = false;
  /** bytes on their way to this end */
  #coming: Uint8Array[] = [];
  #comingBytes = 0;
  /** the other side has closed: reported after the last byte */
  #fin = false;
  #pumping = false;
  /** the connection is broken: what is sent from here does not arrive */
  #broken = false;

  constructor(readonly life: Life, private readonly network: Network) {}

  get backlog(): number {
    return this.other.#comingBytes;
  }

  send(bytes: Uint8Array): void {
    if (this.closed || !this.life.acts() || this.#broken || this.other.closed || this.other.#fin) return;
    this.other.#coming.push(bytes);
    this.other.#comingBytes += bytes.length;
    this.other.pump();
  }

  close(): void {
    if (this.closed || !this.life.acts()) return;
    this.end();
  }

  /** This end is gone; the other learns of it after the bytes that survive. */
  end(): void {
    if (this.closed) return;
    this.closed = true;
    this.#coming = [];
    this.#comingBytes = 0;
    this.other.lose();
    this.other.#fin = true;
    this.other.pump();
  }

  /** The connection is broken: what was sent to this end may be lost, what it sends goes nowhere. */
  cutOff(): void {
    if (this.closed) return;
    this.lose();
    this.#fin = true;
    this.#broken = true;
    this.pump();
  }

  /** Some of what is on its way may be lost from a byte on. */
  lose(): void {
    if (this.#comingBytes === 0 || this.network.prng.chance(0.5)) return;
    const bytes = this.#join().subarray(0, this.network.prng.whole(0, this.#comingBytes - 1));
    this.#coming = bytes.length > 0 ? [bytes] : [];
    this.#comingBytes = bytes.length;
  }

  /** Delivers what has come, a little later, unless the way is cut or the process sleeps. */
  pump(): void {
    if (this.#pumping || this.closed) return;
    const { prng, faults, world } = this.network;
    this.#pumping = true;
    const late = prng.chance(faults.late) ? world.fault("link-delay", LATE_MS * prng.float()) : 0;
    world.clock.after(faults.delayMs * prng.float() + late, () => {
      this.#pumping = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const { prng, faults, world, cut, severed } = this.network;
    if (severed.has(this.life.replica) || severed.has(this.other.life.replica)) return;
    if (this.closed || !this.life.alive || this.life.paused || cut[this.life.replica] || !this.listener) return;
    if (this.#comingBytes > 0) {
      let bytes = this.#join();
      let rest: Uint8Array | undefined;
      if (bytes.length > 1 && prng.chance(faults.split)) {
        world.fault("link-split", 0);
        const at = prng.whole(1, bytes.length - 1);
        [bytes, rest] = [bytes.subarray(0, at), bytes.subarray(at)];
      }
      this.#coming = rest ? [rest] : [];
      this.#comingBytes = rest?.length ?? 0;
      world.note("bytes", this.life, bytes.length, bytes[bytes.length - 1]!);
      const { listener } = this;
      this.life.hear(() => listener.received(bytes));
      if (rest) this.pump();
    }
    if (this.#fin && this.#comingBytes === 0 && !this.closed) {
      this.closed = true;
      const { listener } = this;
      this.life.hear(() => listener.closed());
    }
  }

  #join(): Uint8Array {
    if (this.#coming.length === 1) return this.#coming[0]!;
    const joined = new Uint8Array(this.#comingBytes);
    let at = 0;
    for (const bytes of this.#coming) {
      joined.set(bytes, at);
      at += bytes.length;
    }
    return joined;
  }
}

/** What connects the replicas. */
export class Network {
  /** whether bytes on their way to a replica are held back */
  readonly cut: Record<ReplicaId, boolean> = {};
  /** replicas whose host reaches no other */
  readonly severed = new Set<ReplicaId>();
  readonly #listening: Record<ReplicaId, { life: Life; open: Open } | undefined> = {};
  #ends: End[] = [];

  constructor(readonly world: World, readonly prng: World["prng"], readonly faults: NetworkFaults) {}

  /** The way to the peers as one process has it. */
  of(life: Life): Transport {
    let closed = false;
    return {
      listen: (open) => {
        if (life.acts()) this.#listening[life.replica] = { life, open };
      },
      dial: (peer, open) => closed ? Promise.resolve(false) : this.#dial(life, peer, open),
      close: () => {
        closed = true;
        this.#close(life);
      },
    };
  }

  /** The kernel closes what a dead process had open. */
  drop(life: Life): void {
    this.#close(life);
    for (const end of this.#ends) if (end.life === life) end.end();
    this.#ends = this.#ends.filter((end) => !end.closed);
  }

  /** Every connection breaks; with `half` only one side notices. */
  break(half: boolean): void {
    const told = this.prng.pick(this.world.names);
    for (const end of this.#ends) if (!half || end.life.replica === told) end.cutOff();
  }

  /** What was held back goes on. */
  wake(): void {
    for (const end of this.#ends) end.pump();
  }

  #close(life: Life): void {
    if (this.#listening[life.replica]?.life === life) delete this.#listening[life.replica];
  }

  #dial(life: Life, peer: ReplicaId, open: Open): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    if (!life.acts()) return promise;
    const { world, prng, faults } = this;
    world.clock.after(faults.delayMs * prng.float(), () =>
      life.hear(() => {
        const to = this.#listening[peer];
        const isCut = this.cut[peer] || this.cut[life.replica] || this.severed.has(peer) ||
          this.severed.has(life.replica);
        if (!to?.life.alive || isCut || prng.chance(faults.refuse)) return resolve(false);
        const [here, there] = [new End(life, this), new End(to.life, this)];
        here.other = there;
        there.other = here;
        this.#ends = this.#ends.filter((end) => !end.closed);
        this.#ends.push(here, there);
        world.note("connect", life, 0, 0);
        here.listener = open(here);
        resolve(true);
        world.clock.after(faults.delayMs * prng.float(), () =>
          to.life.hear(() => {
            there.listener = to.open(there);
            there.pump();
          }));
      }));
    return promise;
  }
}
