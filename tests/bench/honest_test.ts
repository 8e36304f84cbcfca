/**
 * The harness is honest: it grades routers that are wrong in one way each, as real processes over real HTTP, and must
 * say of each what CONTRACT.md says of it, and nothing bad of the one that is honest.
 * @module
 */
import assert from "node:assert/strict";
import { ONE_IN } from "./routers/router.ts";
import type { OfficialResult } from "../../bench/graded/result.ts";
import { needs } from "../support/permissions.ts";
import { grade, type Graded } from "./routers/grade.ts";

const PERMISSIONS = needs("run", "net", "read", "write", "env");

const RUNS = {
  honest: () => grade("none", "short.json"),
  honestPreview: () => grade("none", "short-preview.json"),
  loses: () => grade("loses", "short.json"),
  claims: () => grade("claims", "short.json"),
  doubles: () => grade("doubles", "short.json"),
  late: () => grade("late", "short.json"),
  latePreview: () => grade("late", "short-preview.json"),
  wrongProcessor: () => grade("wrong-processor", "short.json"),
};

let all: Promise<Map<string, PromiseSettledResult<Graded>>> | undefined;

/** One of the runs; the first that is asked for starts all of them, which take as long together as one. */
async function graded(name: keyof typeof RUNS): Promise<Graded> {
  all ??= Promise.allSettled(Object.values(RUNS).map((start) => start()))
    .then((settled) => new Map(Object.keys(RUNS).map((key, index) => [key, settled[index]!])));
  const one = (await all).get(name)!;
  if (one.status === "rejected") throw one.reason;
  return one.value;
}

/** How many of the payments of a run went wrong. */
function wrong(result: OfficialResult): number {
  const accepted = result.pagamentos_solicitados.qtd_sucesso;
  assert.ok(accepted >= 2 * ONE_IN, `${accepted} payments are enough for two to go wrong`);
  return Math.floor(accepted / ONE_IN);
}

function assertFined({ multa, total_bruto, total_taxas }: OfficialResult): void {
  assert.equal(multa.porcentagem, 0.35);
  assert.equal(multa.total, Math.round((total_bruto - total_taxas) * 0.35 * 1e6) / 1e6);
}

function assertNotFined({ multa }: OfficialResult): void {
  assert.equal(multa.composicao.num_inconsistencias, 0);
  assert.equal(multa.porcentagem, 0);
  assert.equal(multa.total, 0);
}

for (const name of ["honest", "honestPreview"] as const) {
  Deno.test(`says nothing bad of an honest router (${name})`, PERMISSIONS, async () => {
    const { official, report } = await graded(name);
    assertNotFined(official);
    assert.equal(official.caixa_dois.detectado, false);
    assert.equal(official.lag.lag, 0);
    assert.equal(official.pagamentos_solicitados.qtd_falha, 0);
    const accepted = official.pagamentos_solicitados.qtd_sucesso;
    const price = name === "honest" ? 2_005 : 1_990;
    assert.equal(official.pagamentos_realizados_default.num_pagamentos, accepted);
    assert.equal(official.pagamentos_realizados_fallback.num_pagamentos, 0);
    assert.equal(official.total_bruto, accepted * price / 100);
    assert.ok(!/<script|<link|src=|https?:\/\/(?!127\.0\.0\.1)/.test(report), "the report needs no other host");
  });
}

Deno.test("shows as lag what a router loses, 1 in 1,000", PERMISSIONS, async () => {
  const { official } = await graded("loses");
  assert.equal(official.lag.lag, wrong(official));
  assert.equal(official.caixa_dois.detectado, false);
  assertNotFined(official);
});

Deno.test("fines a router that counts 1 in 1,000 which it never sent", PERMISSIONS, async () => {
  const { official } = await graded("claims");
  assertFined(official);
  assert.equal(official.lag.lag, wrong(official));
});

Deno.test("disqualifies a router that books 1 in 1,000 twice, under a second id", PERMISSIONS, async () => {
  const { official } = await graded("doubles");
  assert.equal(official.caixa_dois.detectado, true);
  assert.equal(official.lag.lag, -wrong(official));
});

for (const name of ["late", "latePreview"] as const) {
  Deno.test(`fines a router whose summary is what it knew 3 s ago (${name})`, PERMISSIONS, async () => {
    assertFined((await graded(name)).official);
  });
}

Deno.test("fines a router that says default and books at the fallback", PERMISSIONS, async () => {
  const { official } = await graded("wrongProcessor");
  assertFined(official);
  assert.equal(official.pagamentos_realizados_default.num_pagamentos, 0);
  assert.equal(
    official.pagamentos_realizados_fallback.num_pagamentos,
    official.pagamentos_solicitados.qtd_sucesso,
  );
});
