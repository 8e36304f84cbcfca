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

function event(kind: Event["kind"]): Event {
  return kind === "not-opened" ? { kind, why: "the lock is taken" } : { kind };
}

/** `serving silent tries` */
function textOf({ phase, peer, tryPlanned: tries, waits }: Membership): string {
  return [phase, peer, tries ? "tries" : "", waits ? `(${waits})` : ""].filter((word) => word !== "").join(" ");
}

function effectOf(effect: Effect): string {
  return "afterMs" in effect ? `${effect.kind} in ${effect.afterMs}` : effect.kind;
}

/** `serving silent tries: take-over, try-later in 500` */
function lineOf(state: Membership, kind: Event["kind"]): string {
  const { state: next, effects } = transition(state, event(kind));
  return [textOf(next), ...effects.length ? [effects.map(effectOf).join(", ")] : []].join(": ");
}

function stateOf(phase: Phase, peer: PeerState, tries = false): Membership {
  return { phase, peer, tryPlanned: tries, waits: "" };
}

const TRIED = `take-over, try-later in ${PEER_TRY_MS}`;

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
    [stateOf("reading", "none"), "read", "serving none: serve, take-over"],
    [stateOf("reading", "linked"), "read", "serving linked: serve"],
    [stateOf("serving", "linked"), "lost", `serving silent tries: ${TRIED}`],
    // it tries in a moment anyway
    [stateOf("serving", "linked", true), "lost", "serving silent tries"],
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
    [stateOf("serving", "dead", true), "lost", "serving silent tries"],
    [stateOf("serving", "linked"), "stop", "draining linked: drain"],
  ];
  for (const [state, kind, line] of table) assert.equal(lineOf(state, kind), line, `${textOf(state)}, ${kind}`);
});

/** A whole life, line by line. */
function life(hasPeer: boolean, ...kinds: readonly Event["kind"][]): string[] {
  let state = unstarted(hasPeer);
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
  assert.deepEqual(life(true, ...kinds, "try", "stop", "drained"), [
    "start -> starting silent: open in 0",
    "not-opened -> starting silent (the lock is taken): open in 50",
    "opened -> reading silent: read",
    "read -> serving silent tries: serve, try-later in 500",
    "linked -> serving linked tries",
    "try -> serving linked",
    "lost -> serving silent tries: take-over, try-later in 500",
    "peer-dead -> serving dead tries",
    "try -> serving dead tries: take-over, try-later in 500",
    "linked -> serving linked tries",
    "try -> serving linked",
    "stop -> draining linked: drain",
    "drained -> stopped linked: close",
  ]);
});

Deno.test("membership: the life of a replica on its own", () => {
  assert.deepEqual(life(false, "start", "opened", "read", "stop", "stop", "drained", "drained"), [
    "start -> starting none: open in 0",
    "opened -> reading none: read",
    "read -> serving none: serve, take-over",
    "stop -> draining none: drain",
    "stop -> draining none",
    "drained -> stopped none: close",
    "drained -> stopped none",
  ]);
});

Deno.test("membership: whatever happens, a replica serves once, tries by one timer at a time, and ends for good", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...EVENTS.slice(1)), { maxLength: 60 }), (kinds) => {
      let state = transition(unstarted(true), { kind: "start" }).state;
      let [serves, closes, timers] = [0, 0, 0];
      for (const kind of kinds) {
        // there is a timer for it, or it does not come
        if (kind === "try" && timers-- === 0) {
          timers = 0;
          continue;
        }
        const { phase } = state;
        const { state: next, effects } = transition(state, event(kind));
        state = next;
        assert.ok(PHASES.indexOf(state.phase) >= PHASES.indexOf(phase), `${phase}, ${kind}: ${state.phase}`);
        for (const effect of effects) {
          if (effect.kind === "serve") serves++;
          if (effect.kind === "close") closes++;
          if (effect.kind === "try-later") timers++;
          if (effect.kind === "take-over") assert.equal(state.phase, "serving");
        }
        assert.ok(timers <= 1 && state.tryPlanned === (timers === 1), `${kind}: ${timers} timers, ${textOf(state)}`);
        assert.equal(closes, state.phase === "stopped" ? 1 : 0);
      }
      assert.ok(serves <= 1);
    }),
    { numRuns: 1_000 },
  );
});
