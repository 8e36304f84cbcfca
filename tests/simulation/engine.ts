/**
 * A model of the engine that several hosts share: three servers with a leader, and a majority that commits. It promises
 * what DESIGN.md builds on, and no more: what a majority has stays, in one order, and the last position of a subject is
 * compared and set. Everything else happens: answers are lost, late, or of a server that was cut off long ago.
 * @module
 */
import {
  type Published,
  type Stream,
  StreamError,
  type StreamEvents,
  type Streams,
  type StreamState,
} from "../../src/ledger/stream.ts";
import type { VirtualClock } from "../support/virtual_clock.ts";
import type { Life } from "./life.ts";
import type { Prng } from "./prng.ts";

/** How unkind the engine is: shares, and times in milliseconds. */
export interface EngineFaults {
  /** from one machine to another, at most */
  wayMs: number;
  /** a publish does not arrive */
  lost: number;
  /** a publish arrives up to {@link LATE_MS} late */
  late: number;
  /** the answer to a publish does not arrive, or too late */
  ackLost: number;
  /** the answer only says that another publish to the subject is under way */
  busy: number;
  /** a state is an old one, or there is none */
  stale: number;
  /** messages on their way to the other servers stay when the leader is lost */
  survives: number;
}

/** The latest that a publish lands that its caller gave up, in milliseconds. */
const LATE_MS = 60_000;
/** How long a caller waits for the answer to a publish, in milliseconds. */
const ANSWER_MS = 2_000;
/** A tail is heard so often, and made anew after so long without, in milliseconds. */
const HEARTBEAT_MS = 500, SILENT_MS = 1_600;
/** How long until another leader is there, and until one that was cut off knows that it is none, in milliseconds. */
const ELECTION_MS = [300, 6_700] as const, STEP_DOWN_MS = [500, 9_000] as const;
const SERVERS = 3;

/** What the engine needs of the world around it. */
export interface EngineWorld {
  readonly clock: VirtualClock;
  fault(kind: string, value: number): number;
  saw(kind: string, value: number): number;
  /** a majority has one more message */
  committed(): void;
}

type Reply = (published: Published) => void;

interface Message {
  readonly subject: string;
  readonly bytes: Uint8Array;
}

/** A publish that a leader has taken and no majority has yet. */
interface Proposal extends Message {
  readonly dueMs: number;
  /** it is on its way to the other servers */
  readonly sent: boolean;
  readonly reply: Reply;
}

/** One server, on the host of its number. */
interface Server {
  readonly host: number;
  alive: boolean;
  /** believes that it leads, rightly or not */
  leads: boolean;
  /** the number of its election; the highest is the present one */
  term: number;
  proposals: Proposal[];
  /** how many messages it has; undefined for one that follows: all */
  stuckAt: number | undefined;
}

/** The messages of one stream that a majority has. */
class Messages {
  readonly all: Message[] = [];
  readonly #bySubject = new Map<string, number[]>();

  constructor(readonly id: string, readonly first: number) {}

  add(message: Message): number {
    const position = this.first + this.all.push(message) - 1;
    const positions = this.#bySubject.get(message.subject);
    if (positions) positions.push(position);
    else this.#bySubject.set(message.subject, [position]);
    return position;
  }

  /** The position of a subject's last message among the first `count` of all. */
  lastOf(subject: string, count: number): number {
    return this.#bySubject.get(subject)?.findLast((position) => position < this.first + count) ?? 0;
  }
}

/** The engine. */
export class Engine {
  readonly servers: readonly Server[];
  /** hosts that reach no other */
  readonly cut = new Set<number>();
  /** takes no more messages */
  full = false;
  /** called when a process puts another stream in the place of one that is there */
  replaced = (): void => {};
  #messages: Messages | undefined;
  #tails = new Set<Tail>();
  /** the id of the stream that is the log, also after that is lost */
  #key: string | undefined;
  #electing = false;
  /** of the last election: who was elected before is no leader any more, whatever that one believes */
  #term = 0;
  readonly #claimedMs = new Map<string, number>();

  constructor(readonly world: EngineWorld, readonly prng: Prng, readonly faults: EngineFaults) {
    this.servers = Array.from({ length: SERVERS }, (_, host) => ({
      ...{ host, alive: true, leads: host === 0, term: 0, proposals: [], stuckAt: undefined },
    }));
  }

  /** The stream, if there is one. */
  get stream(): Messages | undefined {
    return this.#messages;
  }

  /** Makes a stream, in place of the one that is there. */
  create(first: number): Messages {
    this.delete();
    this.#messages = new Messages(this.prng.uuid(), first);
    this.#key = this.#messages.id;
    return this.#messages;
  }

  /** The stream is gone, with all that it had. */
  delete(): void {
    this.#messages = undefined;
    for (const server of this.servers) [server.proposals, server.stuckAt] = [[], undefined];
  }

  /** The stream has lost its last messages. */
  shorten(count: number): void {
    const was = this.#messages!;
    this.delete();
    this.#messages = new Messages(was.id, was.first);
    for (const message of was.all.slice(0, Math.max(0, was.all.length - count))) this.#messages.add(message);
  }

  /** The stream that is the log, as one process on a host has it. */
  open(life: Life, host: number): Stream {
    return new Connection(this, life, host, this.#key!);
  }

  /** The streams of the engine, as one process on a host has them. */
  of(life: Life, host: number): Streams {
    return {
      current: () => this.#ask(life, host, () => this.#key === undefined ? undefined : this.open(life, host)),
      begin: (first, instead) =>
        this.#ask(life, host, () => {
          if (this.#key === instead) {
            if (this.#messages) this.replaced();
            this.create(first);
          }
          return this.open(life, host);
        }),
    };
  }

  /** Whether a process may ask a processor how it is: one of all processes in that time, if a majority answers. */
  claim(life: Life, host: number, key: string, everyMs: number): Promise<boolean> {
    return this.#ask(life, host, () => {
      const nowMs = this.world.clock.monotonic();
      const claims = nowMs - (this.#claimedMs.get(key) ?? -Infinity) >= everyMs;
      if (claims) this.#claimedMs.set(key, nowMs);
      return claims;
    }).catch(() => false);
  }

  /** A request that only a majority can answer. */
  #ask<T>(life: Life, host: number, answer: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!life.acts()) return promise;
    this.world.clock.after(this.wayMs(), () => {
      const entry = this.entry(host);
      const answers = entry && this.#hasMajority(entry) && !this.prng.chance(this.faults.stale);
      const [done, value] = [answers, answers && answer()];
      this.world.clock.after(this.wayMs(), () =>
        life.hear(() => {
          if (done) resolve(value as T);
          else reject(new StreamError("no server answers"));
        }));
    });
    return promise;
  }

  reaches(one: number, other: number): boolean {
    return one === other || !this.cut.has(one) && !this.cut.has(other);
  }

  /** Cuts a host off from all others. */
  cutOff(host: number): void {
    this.cut.add(host);
    const server = this.servers[host];
    if (server) this.#stick(server);
    this.#changed();
  }

  /** It reaches the others again. */
  heal(host: number): void {
    this.cut.delete(host);
    this.#changed();
  }

  /** A server dies; it keeps what it has. */
  kill(host: number): void {
    const server = this.servers[host];
    if (!server?.alive) return;
    server.alive = false;
    this.#stick(server);
    this.#changed();
  }

  revive(host: number): void {
    const server = this.servers[host];
    if (!server || server.alive) return;
    server.alive = true;
    server.leads = false;
    this.#changed();
  }

  /** Whether a process reads the present stream, and everything it has read is still there. */
  isSound(life: Life): boolean {
    return this.#tails.values().some((tail) => tail.life === life && tail.isSound);
  }

  /** Tails hear nothing for a while, though their server lives. */
  stall(ms: number): void {
    for (const tail of this.#tails) if (this.prng.chance(0.5)) tail.stall(ms);
  }

  /** The server that a host's connection goes to: its own, or another that it reaches. */
  entry(host: number): Server | undefined {
    const own = this.servers[host];
    return own?.alive ? own : this.servers.find((server) => server.alive && this.reaches(host, server.host));
  }

  /** How many messages a server shows. */
  shown({ stuckAt }: Server): number {
    return Math.min(stuckAt ?? Infinity, this.#messages?.all.length ?? 0);
  }

  wayMs(): number {
    return this.faults.wayMs * this.prng.float();
  }

  follow(tail: Tail): void {
    this.#tails.add(tail);
  }

  leave(tail: Tail): void {
    this.#tails.delete(tail);
  }

  /** A publish has come to a server that a process is connected to. */
  receive(entry: Server, id: string, message: Message, over: number | undefined, reply: Reply): void {
    const { prng, faults, world } = this;
    const leader = this.#leaderOf(({ alive, host }) => alive && this.reaches(entry.host, host));
    const messages = this.#messages;
    if (!leader || messages?.id !== id) return reply({ kind: "unknown", why: "no responders" });
    if (this.full) return reply({ kind: "full" });
    if (over !== undefined) {
      if (leader.proposals.some(({ subject }) => subject === message.subject) || prng.chance(faults.busy)) {
        world.fault("publish-busy", 0);
        return reply({ kind: "unknown", why: "10164" });
      }
      const position = messages.lastOf(message.subject, this.shown(leader));
      if (position > over) return reply({ kind: "overruled", position });
      if (position < over) return reply({ kind: "unknown", why: "an answer of the past" });
    }
    const tookMs = this.wayMs() + this.wayMs();
    const dueMs = world.clock.monotonic() + tookMs;
    leader.proposals.push({ ...message, dueMs, sent: this.#hasMajority(leader), reply });
    world.clock.after(tookMs, () => this.#commit(leader));
  }

  /** The newest leader that is seen. */
  #leaderOf(isSeen: (server: Server) => boolean): Server | undefined {
    return this.servers.filter((server) => server.leads && isSeen(server)).sort((a, b) => b.term - a.term)[0];
  }

  /** Whether it is the leader that a majority follows. */
  #isLed(server: Server): boolean {
    return server.leads && server.term === this.#term && this.#hasMajority(server);
  }

  #hasMajority(server: Server): boolean {
    if (!server.alive) return false;
    const others = this.servers.filter(({ alive, host }) => alive && this.reaches(server.host, host));
    return others.length > SERVERS / 2;
  }

  #commit(leader: Server): void {
    if (!this.#isLed(leader)) return;
    const nowMs = this.world.clock.monotonic();
    for (let first = leader.proposals[0]; first && first.dueMs <= nowMs; first = leader.proposals[0]) {
      leader.proposals.shift();
      this.#add(first);
    }
  }

  #add({ subject, bytes, reply }: Proposal): void {
    const position = this.#messages!.add({ subject, bytes });
    this.world.committed();
    reply({ kind: "stands", position });
    for (const tail of this.#tails) tail.wake();
  }

  /** It follows no leader; it does not show messages that it has not received. */
  #stick(server: Server): void {
    const all = this.#messages?.all.length ?? 0;
    server.stuckAt ??= server.leads ? all : Math.max(0, all - this.prng.whole(0, 2));
  }

  /** The network between the hosts has changed. */
  #changed(): void {
    const { clock } = this.world;
    const led = this.servers.find((server) => this.#isLed(server));
    for (const server of this.servers) {
      if (server.leads && server !== led) {
        if (this.#hasMajority(server)) this.#stepDown(server);
        else clock.after(this.prng.between(...STEP_DOWN_MS), () => this.#stepDownIfAlone(server));
      }
    }
    if (!led) return this.#callElection();
    this.#commit(led);
    this.#catchUp(led);
  }

  #callElection(): void {
    if (this.#electing) return;
    this.#electing = true;
    this.world.clock.after(this.prng.between(...ELECTION_MS), () => {
      this.#electing = false;
      this.#elect();
    });
  }

  #elect(): void {
    if (this.servers.some((server) => this.#isLed(server))) return this.#changed();
    const able = this.servers.filter((server) => this.#hasMajority(server));
    // a server that reaches others again starts the next election
    if (able.length === 0) return;
    const leader = this.prng.pick(able);
    for (const old of this.servers) {
      // the first of what the old leader had sent on may have reached the new one
      while (old.proposals[0]?.sent && this.prng.chance(this.faults.survives)) {
        this.world.saw("publish-survived", 0);
        this.#add({ ...old.proposals.shift()!, reply: () => {} });
      }
      for (const proposal of old.proposals) Object.assign(proposal, { sent: false });
    }
    this.world.saw("leader-elected", leader.host);
    Object.assign(leader, { leads: true, term: ++this.#term, stuckAt: undefined, proposals: [] });
    this.#changed();
  }

  #stepDownIfAlone(server: Server): void {
    if (server.leads && !this.#hasMajority(server)) this.#stepDown(server);
    if (!this.servers.some(({ leads }) => leads)) this.#callElection();
  }

  /** Messages that it took, and no majority has, are lost. */
  #stepDown(server: Server): void {
    if (server.proposals.length > 0) this.world.saw("minority-lost", server.proposals.length);
    [server.leads, server.proposals] = [false, []];
  }

  #catchUp(leader: Server): void {
    leader.stuckAt = undefined;
    for (const server of this.servers) {
      if (server.stuckAt === undefined || !server.alive || !this.reaches(leader.host, server.host)) continue;
      this.world.clock.after(this.wayMs() * 10, () => {
        if (!server.alive || !this.reaches(leader.host, server.host) || !this.#hasMajority(leader)) return;
        server.stuckAt = undefined;
        for (const tail of this.#tails) tail.wake();
      });
    }
  }
}

/** The {@link Stream} of one process. */
class Connection implements Stream {
  #tail: Tail | undefined;
  #closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly life: Life,
    private readonly host: number,
    readonly id: string,
  ) {}

  publish(subject: string, bytes: Uint8Array, over: number | undefined): Promise<Published> {
    const { promise, resolve } = Promise.withResolvers<Published>();
    const { engine, life, host } = this;
    if (this.#closed || !life.acts()) return promise;
    const { world: { clock }, prng, faults } = engine;
    const message = { subject, bytes: bytes.slice() };
    let answered = false;
    const answer = (published: Published) =>
      life.hear(() => {
        if (answered) return;
        answered = true;
        resolve(published);
      });
    clock.after(ANSWER_MS, () => answer({ kind: "unknown", why: "timeout" }));
    if (prng.chance(faults.lost)) return engine.world.fault("publish-lost", 0), promise;
    const lateMs = prng.chance(faults.late) ? engine.world.fault("publish-late", LATE_MS * prng.float() ** 3) : 0;
    clock.after(engine.wayMs() + lateMs, () => {
      const entry = engine.entry(host);
      if (!entry) return answer({ kind: "unknown", why: "no connection" });
      engine.receive(entry, this.id, message, over, (published) => {
        if (prng.chance(faults.ackLost)) return void engine.world.fault("ack-lost", 0);
        if (entry.alive && engine.entry(host) === entry) clock.after(engine.wayMs(), () => answer(published));
      });
    });
    return promise;
  }

  tail(position: number, events: StreamEvents): void {
    const { engine, life, host } = this;
    if (!life.acts()) return;
    this.#tail = new Tail(engine, life, host, this.id, position, events);
    engine.follow(this.#tail);
    this.#tail.wake();
  }

  state(): Promise<StreamState | undefined> {
    const { promise, resolve } = Promise.withResolvers<StreamState | undefined>();
    const { engine, life, host } = this;
    if (!life.acts()) return promise;
    const { prng, faults, world: { clock } } = engine;
    clock.after(engine.wayMs(), () => {
      const [entry, { stream }] = [engine.entry(host), engine];
      let answer: StreamState | undefined;
      if (entry && stream?.id === this.id) {
        const { id, first } = stream;
        let count = engine.shown(entry);
        if (prng.chance(faults.stale)) count = engine.world.fault("state-stale", prng.whole(0, count));
        answer = { id, first, last: first + count - 1 };
      }
      if (prng.chance(faults.stale)) answer = undefined;
      clock.after(engine.wayMs(), () => life.hear(() => resolve(answer)));
    });
    return promise;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#tail?.close();
    return Promise.resolve();
  }
}

/** What a process reads. */
class Tail {
  #server: Server | undefined;
  #heardMs: number;
  #stalledUntilMs = 0;
  #waking = false;
  #closed = false;
  /** the newest one that was handed over */
  #newest: Message | undefined;
  /** bytes are lent for a call only */
  #lent = new Uint8Array();

  constructor(
    private readonly engine: Engine,
    readonly life: Life,
    private readonly host: number,
    private readonly id: string,
    private position: number,
    private readonly events: StreamEvents,
  ) {
    this.#heardMs = engine.world.clock.monotonic();
    this.#server = engine.entry(host);
    this.#beat();
  }

  get isSound(): boolean {
    const { stream } = this.engine;
    if (stream?.id !== this.id) return false;
    return !this.#newest || stream.all[this.position - stream.first] === this.#newest;
  }

  stall(ms: number): void {
    this.engine.world.fault("tail-stalled", ms);
    this.#stalledUntilMs = this.engine.world.clock.monotonic() + ms;
  }

  close(): void {
    this.#closed = true;
    this.engine.leave(this);
  }

  /** There may be something to hand over. */
  wake(): void {
    if (this.#waking || this.#closed) return;
    this.#waking = true;
    this.engine.world.clock.after(this.engine.wayMs(), () => {
      this.#waking = false;
      this.#deliver(false);
    });
  }

  #beat(): void {
    if (this.#closed || !this.life.alive) return this.close();
    this.engine.world.clock.after(HEARTBEAT_MS, () => {
      const nowMs = this.engine.world.clock.monotonic();
      if (nowMs - this.#heardMs >= SILENT_MS) {
        // made anew, at another server if there is one, from where it was
        const reached = this.engine.servers.filter(({ alive, host }) => alive && this.engine.reaches(this.host, host));
        this.#server = this.engine.prng.pick([undefined, ...reached]) ?? this.engine.entry(this.host);
        [this.#stalledUntilMs, this.#heardMs] = [0, nowMs];
        this.engine.world.saw("tail-anew", 0);
      }
      this.#deliver(true);
      this.#beat();
    });
  }

  #deliver(beats: boolean): void {
    const { engine, events } = this;
    const server = this.#server;
    const nowMs = engine.world.clock.monotonic();
    if (this.#closed || !server?.alive || !engine.reaches(this.host, server.host) || nowMs < this.#stalledUntilMs) {
      return;
    }
    const { stream } = engine;
    if (!stream || !this.isSound) {
      // it is noticed where the engine is asked, which takes its time
      if (!beats || engine.prng.chance(0.5)) return;
      this.close();
      const why = stream?.id === this.id ? "the stream is shorter than it was, or another" : "the stream is gone";
      return this.life.hear(() => events.lost(why));
    }
    const end = stream.first + engine.shown(server);
    if (this.position + 1 >= end && !beats) return;
    this.#heardMs = nowMs;
    const from = this.position + 1;
    const batch = stream.all.slice(from - stream.first, Math.max(from, end) - stream.first);
    this.position += batch.length;
    this.#newest = batch.at(-1) ?? this.#newest;
    this.life.hear(() => {
      for (const [i, { bytes }] of batch.entries()) {
        if (this.#closed) return;
        this.#lent.fill(0);
        this.#lent = bytes.slice();
        events.read(from + i, this.#lent);
      }
      if (!this.#closed) events.heard(from + batch.length - 1);
    });
  }
}
