import assert from "node:assert/strict";
import { officialResult } from "../../bench/graded/result.ts";
import { type Measured, score } from "../../bench/graded/score.ts";

const PREVIEW_BP = { default: 500, fallback: 1_500 };
const FINAL_BP = { default: 700, fallback: 1_000 };
const PREVIEW_CENTS = 1_990;
const FINAL_CENTS = 2_005;

function measured(cents: number, byDefault: number, byFallback: number, rest: Partial<Measured>): Measured {
  return {
    books: {
      default: { count: byDefault, cents: byDefault * cents },
      fallback: { count: byFallback, cents: byFallback * cents },
    },
    feeBp: FINAL_BP,
    accepted: byDefault + byFallback,
    p99Ms: 20,
    inconsistencies: 0,
    ...rest,
  };
}

Deno.test("score() reproduces a published final to its last decimal", () => {
  // participantes/danilosantana-dotnet/final-results.json of the challenge
  const verdict = score(measured(FINAL_CENTS, 13_105, 77_497, { p99Ms: 2.53 }));
  assert.equal(verdict.gross, 1_816_570_100_000);
  assert.equal(verdict.fees.default, 18_392_867_500);
  assert.equal(verdict.fees.fallback, 155_381_485_000);
  assert.equal(verdict.fees.total, 173_774_352_500);
  assert.equal(verdict.bonusPercent, 17);
  assert.equal(verdict.total, 1_922_071_024_575);
  assert.equal(verdict.lag, 0);
  assert.equal(verdict.disqualified, false);
});

Deno.test("score() reproduces a published preview to its last decimal", () => {
  // participantes/danilosantana-dotnet/partial-results.json of the challenge
  const verdict = score(measured(PREVIEW_CENTS, 13_706, 3_037, { feeBp: PREVIEW_BP, p99Ms: 3.66 }));
  assert.equal(verdict.gross, 333_185_700_000);
  assert.equal(verdict.fees.total, 22_702_915_000);
  assert.equal(verdict.bonusPercent, 15);
  assert.equal(verdict.total, 357_055_202_750);
});

Deno.test("score() gives the published scores of the contract's table", () => {
  const total = (byDefault: number, byFallback: number, rest: Partial<Measured>) =>
    Math.round(score(measured(FINAL_CENTS, byDefault, byFallback, rest)).total / 1e6);
  assert.equal(total(52_945, 37_646, { p99Ms: 2.55 }), 1_949_876);
  assert.equal(total(11_312, 79_220, { p99Ms: 2.18 }), 1_935_736);
  assert.equal(total(76_270, 0, { p99Ms: 2.96, accepted: 76_270 + 14_308 }), 1_649_716);
  assert.equal(total(67_163, 288, { p99Ms: 5.42, accepted: 67_451 + 23_134, inconsistencies: 2 }), 955_739);
});

Deno.test("score() by hand: 100 payments of 20.05 at the default, p99 1 ms", () => {
  const verdict = score(measured(FINAL_CENTS, 100, 0, { p99Ms: 1 }));
  // 2005.00 - 140.35 = 1864.65; 20 % of it are 372.93
  assert.deepEqual(verdict, {
    gross: 2_005_000_000,
    fees: { default: 140_350_000, fallback: 0, total: 140_350_000 },
    profit: 1_864_650_000,
    p99Ms: 1,
    bonusPercent: 20,
    bonus: 372_930_000,
    finePercent: 0,
    fine: 0,
    total: 2_237_580_000,
    booked: 100,
    lag: 0,
    disqualified: false,
  });
});

Deno.test("score() fines 35 % of the profit once, however many payments differ", () => {
  const once = score(measured(FINAL_CENTS, 100, 0, { inconsistencies: 1 }));
  assert.equal(once.fine, 652_627_500);
  assert.equal(once.total, 1_212_022_500);
  assert.equal(score(measured(FINAL_CENTS, 100, 0, { inconsistencies: 99 })).total, once.total);
});

Deno.test("score() keeps the bonus when it fines", () => {
  const verdict = score(measured(FINAL_CENTS, 100, 0, { p99Ms: 1, inconsistencies: 1 }));
  assert.equal(verdict.total, 1_864_650_000 + 372_930_000 - 652_627_500);
});

Deno.test("score() gives no bonus from 11 ms on, never a negative one, and rounds it to a whole percent", () => {
  const bonus = (p99Ms: number) => score(measured(FINAL_CENTS, 1, 0, { p99Ms })).bonusPercent;
  assert.deepEqual([0, 0.01, 1.25, 1.3, 2.75, 10.74, 10.76, 11, 11.01, 900].map(bonus), [
    22,
    22,
    20,
    19,
    17,
    1,
    0,
    0,
    0,
    0,
  ]);
});

Deno.test("score() disqualifies when one payment more is booked than was accepted", () => {
  const verdict = score(measured(FINAL_CENTS, 100, 1, { accepted: 100 }));
  assert.equal(verdict.disqualified, true);
  assert.equal(verdict.lag, -1);
});

Deno.test("score() shows as lag what was accepted and not booked", () => {
  const verdict = score(measured(FINAL_CENTS, 90, 3, { accepted: 100 }));
  assert.equal(verdict.lag, 7);
  assert.equal(verdict.disqualified, false);
});

Deno.test("score() throws on a count or an amount that is not whole", () => {
  assert.throws(() => score(measured(FINAL_CENTS, 1.5, 0, {})), /invariant: 1.5 is no whole number/);
  assert.throws(() => score(measured(FINAL_CENTS, 1, 0, { feeBp: { default: 0.07, fallback: 0 } })), /0.07/);
});

Deno.test("officialResult() has the official fields, and a descricao in every object", () => {
  const input = measured(FINAL_CENTS, 13_105, 77_497, { p99Ms: 2.53 });
  const result = officialResult({
    participant: "galo",
    usersMax: 603,
    failed: 4,
    measured: input,
    score: score(input),
    timestamp: "2026-01-01T00:00:00.000Z",
  });
  assert.deepEqual(withoutDescriptions(result), {
    timestamp: "2026-01-01T00:00:00.000Z",
    participante: "galo",
    total_liquido: 1922071.024575,
    total_bruto: 1816570.1,
    total_taxas: 173774.3525,
    p99: { valor: "2.53ms", bonus: "17%", max_requests: "603" },
    multa: { porcentagem: 0, total: 0, composicao: { num_inconsistencias: 0 } },
    caixa_dois: { detectado: false },
    lag: { num_pagamentos_total: 90602, num_pagamentos_solicitados: 90602, lag: 0 },
    pagamentos_solicitados: { qtd_sucesso: 90602, qtd_falha: 4 },
    pagamentos_realizados_default: { total_bruto: 262755.25, num_pagamentos: 13105, total_taxas: 18392.8675 },
    pagamentos_realizados_fallback: { total_bruto: 1553814.85, num_pagamentos: 77497, total_taxas: 155381.485 },
  });
});

function withoutDescriptions(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  assert.equal(typeof (value as Record<string, unknown>).descricao, "string");
  const rest = Object.entries(value).filter(([key]) => key !== "descricao");
  return Object.fromEntries(rest.map(([key, inner]) => [key, withoutDescriptions(inner)]));
}
