/** The official result file of a run, field for field (CONTRACT.md), with its descriptions in the language it has. @module */
import type { Measured, Millionths, Score } from "./score.ts";

/** What the official file has under `pagamentos_realizados_*`; money in units of the currency. */
interface Realized {
  readonly total_bruto: number;
  readonly num_pagamentos: number;
  readonly total_taxas: number;
  readonly descricao: string;
}

/** The official result file. */
export interface OfficialResult {
  readonly timestamp: string;
  readonly participante: string;
  readonly total_liquido: number;
  readonly total_bruto: number;
  readonly total_taxas: number;
  readonly descricao: string;
  readonly p99: {
    readonly valor: string;
    readonly bonus: string;
    readonly max_requests: string;
    readonly descricao: string;
  };
  readonly multa: {
    readonly porcentagem: number;
    readonly total: number;
    readonly composicao: { readonly num_inconsistencias: number; readonly descricao: string };
    readonly descricao: string;
  };
  readonly caixa_dois: { readonly detectado: boolean; readonly descricao: string };
  readonly lag: {
    readonly num_pagamentos_total: number;
    readonly num_pagamentos_solicitados: number;
    readonly lag: number;
    readonly descricao: string;
  };
  readonly pagamentos_solicitados: {
    readonly qtd_sucesso: number;
    readonly qtd_falha: number;
    readonly descricao: string;
  };
  readonly pagamentos_realizados_default: Realized;
  readonly pagamentos_realizados_fallback: Realized;
}

/** What a result needs beside the score. */
export interface ResultInput {
  readonly participant: string;
  readonly usersMax: number;
  readonly failed: number;
  readonly measured: Measured;
  readonly score: Score;
  /** ISO-8601, UTC */
  readonly timestamp: string;
}

/** Millionths as the number that prints with at most six decimals. */
export function units(millionths: Millionths): number {
  return millionths / 1e6;
}

/** Writes a run down as the grader would. */
export function officialResult(input: ResultInput): OfficialResult {
  const { measured, score } = input;
  const realized = (name: "default" | "fallback", label: string): Realized => ({
    total_bruto: measured.books[name].cents / 100,
    num_pagamentos: measured.books[name].count,
    total_taxas: units(score.fees[name]),
    descricao: `Pagamentos registrados no Payment Processor ${label}.`,
  });
  return {
    timestamp: input.timestamp,
    participante: input.participant,
    total_liquido: units(score.total),
    total_bruto: units(score.gross),
    total_taxas: units(score.fees.total),
    descricao: "Pontuação: lucro (bruto menos taxas) + lucro * p99.bonus - lucro * multa.porcentagem.",
    p99: {
      valor: `${score.p99Ms}ms`,
      bonus: `${score.bonusPercent}%`,
      max_requests: `${input.usersMax}`,
      descricao: "Bônus: max((11 - p99.valor) * 0.02, 0), arredondado para um por cento inteiro.",
    },
    multa: {
      porcentagem: score.finePercent / 100,
      total: units(score.fine),
      composicao: {
        num_inconsistencias: measured.inconsistencies,
        descricao: "Soma das diferenças que as auditorias encontraram.",
      },
      descricao: "35% do lucro, uma única vez, se houver qualquer inconsistência.",
    },
    caixa_dois: {
      detectado: score.disqualified,
      descricao: "Mais pagamentos registrados do que solicitados (lag negativo) desclassificam.",
    },
    lag: {
      num_pagamentos_total: score.booked,
      num_pagamentos_solicitados: measured.accepted,
      lag: score.lag,
      descricao: "Pagamentos aceitos e ainda não registrados no fim: na fila ou perdidos.",
    },
    pagamentos_solicitados: {
      qtd_sucesso: measured.accepted,
      qtd_falha: input.failed,
      descricao: "Respostas de 'POST /payments': 200, 201, 202 e 204 são sucesso, o resto é falha.",
    },
    pagamentos_realizados_default: realized("default", "Default"),
    pagamentos_realizados_fallback: realized("fallback", "Fallback"),
  };
}
