/** What happens to a replica, and what it does then: phase by phase, event by event, and as whole lives. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Effect,
  type Event,
  type Membership,
  OPEN_AGAIN_MS,
  PEER_TRY_MS,
  type PeerState,
  type Phase,
  transition,
  unstarted,
} from "../../src/membership/membership.ts";

const PHASES: readonly Phase[] = ["starting", "reading", "serving", "draining", "stopped"];
const EVENTS: readonly Event["kind"][] = [
  ...[
    "start",
    "not-opened",
    "opened",
    "read",
    "linked",
    "lost",
    "try",
    "peer-dead",
    "peer-lives",
    "stop",
    "drained",
  ] as const,
];

const OF_PEER = ["linked", "lost", "peer-dead", "peer-lives"] as const;

function event(kind: Event["kind"], peer = "b"): Event {
  if (kind === "not-opened") return { kind, why: "the lock is taken" };
  const ofPeer = OF_PEER.find((one) => one === kind);
  return ofPeer
    ? { kind: ofPeer, peer }
    : { kind: kind as Exclude<typeof kind, typeof OF_PEER[number] | "not-opened"> };
}

/** `serving silent tries` */
function textOf({ phase, peers, tryPlanned: tries, waits }: Membership): string {
  return [phase, Object.values(peers).join("+") || "none", tries ? "tries" : "", waits ? `(${waits})` : ""].filter((
    word,
  ) => word !== "").join(" ");
}

function effectOf(effect: Effect): string {
  if (effect.kind === "take-over") return `take over ${effect.from.join("+")}`;
  return "afterMs" in effect ? `${effect.kind} in ${effect.afterMs}` : effect.kind;
}

/** `serving silent tries: take-over, try-later in 500` */
function lineOf(state: Membership, kind: Event["kind"], peer?: string): string {
  const { state: next, effects } = transition(state, event(kind, peer));
  return [textOf(next), ...effects.length ? [effects.map(effectOf).join(", ")] : []].join(": ");
}

function stateOf(phase: Phase, peer: PeerState | "none", tries = false): Membership {
  return { phase, peers: peer === "none" ? {} : { b: peer }, tryPlanned: tries, waits: "" };
}

const TRIED = `take over b, try-later in ${PEER_TRY_MS}`;

/** What each event makes of a replica whose peer is silent; what is not named changes nothing. */
const SILENT: Readonly<Record<Phase, Partial<Record<Event["kind"], string>>>> = {
  starting: {
    start: "starting silent: open in 0",
    "not-opened": `starting silent (the lock is taken): open in ${OPEN_AGAIN_MS}`,
    opened: "reading silent: read",
    linked: "starting linked",
    "peer-dead": "starting dead",
    stop: "stopped silent: close",
  },
  reading: {
    start: "reading silent: open in 0",
    read: `serving silent tries: serve, try-later in ${PEER_TRY_MS}`,
    linked: "reading linked",
    "peer-dead": "reading dead",
    stop: "stopped silent: close",
  },
  serving: {
    start: "serving silent: open in 0",
    linked: "serving linked",
    lost: `serving silent tries: ${TRIED}`,
    try: `serving silent tries: ${TRIED}`,
    "peer-dead": "serving dead",
    stop: "draining silent: drain",
  },
  draining: {
    start: "draining silent: open in 0",
    linked: "draining linked",
    "peer-dead": "draining dead",
    drained: "stopped silent: close",
  },
  stopped: {
    start: "stopped silent: open in 0",
    linked: "stopped linked",
    "peer-dead": "stopped dead",
  },
};

for (const phase of PHASES) {
  Deno.test(`membership: ${phase}, while the peer is silent`, () => {
    for (const kind of EVENTS) {
      assert.equal(lineOf(stateOf(phase, "silent"), kind), SILENT[phase][kind] ?? `${phase} silent`, kind);
    }
  });
}

Deno.test("membership: what depends on the peer", () => {
  const table: readonly (readonly [Membership, Event["kind"], string])[] = [
    [stateOf("reading", "none"), "read", "serving none: serve"],
    [stateOf("reading", "linked"), "read", "serving linked: serve"],
    [stateOf("serving", "linked"), "lost", `serving silent tries: ${TRIED}`],
    // there is one timer
    [stateOf("serving", "linked", true), "lost", "serving silent tries: take over b"],
    [stateOf("reading", "linked"), "lost", "reading silent"],
    [stateOf("draining", "linked"), "lost", "draining silent"],
    [stateOf("serving", "linked", true), "try", "serving linked"],
    // a dead peer may come back, and die again before it is linked
    [stateOf("serving", "dead", true), "try", `serving dead tries: ${TRIED}`],
    [stateOf("draining", "silent", true), "try", "draining silent"],
    [stateOf("serving", "dead", true), "peer-lives", "serving silent tries"],
    [stateOf("serving", "linked", true), "peer-lives", "serving linked tries"],
    [stateOf("serving", "linked"), "peer-dead", "serving linked"],
    [stateOf("serving", "none"), "peer-dead", "serving none"],
    [stateOf("serving", "dead", true), "linked", "serving linked tries"],
    [stateOf("serving", "dead", true), "lost", "serving silent tries: take over b"],
    [stateOf("serving", "linked"), "stop", "draining linked: drain"],
  ];
  for (const [state, kind, line] of table) assert.equal(lineOf(state, kind), line, `${textOf(state)}, ${kind}`);
});

/** A whole life, line by line. */
function life(peers: readonly string[], ...kinds: readonly Event["kind"][]): string[] {
  let state = unstarted(peers);
  return kinds.map((kind) => {
    const line = `${kind} -> ${lineOf(state, kind)}`;
    ({ state } = transition(state, event(kind)));
    return line;
  });
}

Deno.test("membership: the life of a replica that has to wait for its lock, whose peer dies and comes back", () => {
  const kinds = [
    "start",
    "not-opened",
    "opened",
    "read",
    "linked",
    "try",
    "lost",
    "peer-dead",
    "try",
    "linked",
  ] as const;
  assert.deepEqual(life(["b"], ...kinds, "try", "stop", "drained"), [
    "start -> starting silent: open in 0",
    "not-opened -> starting silent (the lock is taken): open in 50",
    "opened -> reading silent: read",
    "read -> serving silent tries: serve, try-later in 500",
    "linked -> serving linked tries",
    "try -> serving linked",
    "lost -> serving silent tries: take over b, try-later in 500",
    "peer-dead -> serving dead tries",
    "try -> serving dead tries: take over b, try-later in 500",
    "linked -> serving linked tries",
    "try -> serving linked",
    "stop -> draining linked: drain",
    "drained -> stopped linked: close",
  ]);
});

Deno.test("membership: the life of a replica on its own", () => {
  assert.deepEqual(life([], "start", "opened", "read", "stop", "stop", "drained", "drained"), [
    "start -> starting none: open in 0",
    "opened -> reading none: read",
    "read -> serving none: serve",
    "stop -> draining none: drain",
    "stop -> draining none",
    "drained -> stopped none: close",
    "drained -> stopped none",
  ]);
});

Deno.test("membership: whatever happens, a replica serves once, tries by one timer at a time, and ends for good", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...EVENTS.slice(1)), fc.constantFrom("b", "c")), { maxLength: 60 }),
      (all) => {
        let state = transition(unstarted(["b", "c"]), { kind: "start" }).state;
        let [serves, closes, timers] = [0, 0, 0];
        for (const [kind, peer] of all) {
          // there is a timer for it, or it does not come
          if (kind === "try" && timers-- === 0) {
            timers = 0;
            continue;
          }
          const { phase } = state;
          const { state: next, effects } = transition(state, event(kind, peer));
          state = next;
          assert.ok(PHASES.indexOf(state.phase) >= PHASES.indexOf(phase), `${phase}, ${kind}: ${state.phase}`);
          for (const effect of effects) {
            if (effect.kind === "serve") serves++;
            if (effect.kind === "close") closes++;
            if (effect.kind === "try-later") timers++;
            if (effect.kind !== "take-over") continue;
            assert.equal(state.phase, "serving");
            assert.ok(effect.from.every((name) => state.peers[name] !== "linked") && effect.from.length > 0);
          }
          assert.ok(timers <= 1 && state.tryPlanned === (timers === 1), `${kind}: ${timers} timers, ${textOf(state)}`);
          assert.equal(closes, state.phase === "stopped" ? 1 : 0);
        }
        assert.ok(serves <= 1);
      },
    ),
    { numRuns: 1_000 },
  );
});

Deno.test("membership: each of two peers has a state of its own, and all that are not heard are tried for at once", () => {
  let state = unstarted(["b", "c"]);
  const lines = ([
    ["start"],
    ["opened"],
    ["linked", "c"],
    ["read"],
    ["try"],
    ["peer-dead", "b"],
    ["lost", "c"],
    ["try"],
    ["peer-dead", "c"],
    ["linked", "b"],
    ["try"],
    ["peer-lives", "c"],
    ["linked", "c"],
    ["try"],
  ] as const).map(([kind, peer]) => {
    const line = `${kind} ${peer ?? ""}-> ${lineOf(state, kind, peer)}`;
    ({ state } = transition(state, event(kind, peer)));
    return line;
  });
  assert.deepEqual(lines, [
    "start -> starting silent+silent: open in 0",
    "opened -> reading silent+silent: read",
    "linked c-> reading silent+linked",
    "read -> serving silent+linked tries: serve, try-later in 500",
    "try -> serving silent+linked tries: take over b, try-later in 500",
    "peer-dead b-> serving dead+linked tries",
    "lost c-> serving dead+silent tries: take over c",
    "try -> serving dead+silent tries: take over b+c, try-later in 500",
    "peer-dead c-> serving dead+dead tries",
    "linked b-> serving linked+dead tries",
    "try -> serving linked+dead tries: take over c, try-later in 500",
    "peer-lives c-> serving linked+silent tries",
    "linked c-> serving linked+linked tries",
    "try -> serving linked+linked",
  ]);
});
