/** Why a payment is where it is, in a sentence for people. @module */
import type { Reason } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";

/** Why, for people: clauses without a full stop. */
export const WHY: Readonly<Record<Reason, string>> = {
  "accepted": "no processor is chosen yet",
  "default-up": "the default processor was up, and it is the cheaper one",
  "default-slow": "the default processor was slow and the fallback was faster",
  "default-full": "the default processor was full, and would have had room too late",
  "default-refusing": "the default processor refuses payments, and the payment can wait",
  "both-refusing": "both processors refuse payments",
  "patience-over": "it had waited for PATIENCE_MS",
  "probe": "it tests whether the processor takes payments again",
  "in-doubt": "a processor that may hold it already has to be asked first",
  "failed": "the processor refused it",
  "processor-full": "the processor was full",
  "unreachable": "the processor could not be reached",
  "booked": "the processor took it",
  "already-booked": "the processor called it booked already",
  "found-booked": "a lookup at the processor found it booked",
  "no-place": "no processor had room",
  "rejected": "the processor rejected it, and would do so again",
  "not-found": "a lookup at the processor did not find it",
  "rejected-by-both": "both processors rejected it, so it is rarely tried again",
};

/** What happened to a payment so far, and why. @param now milliseconds since 1970, UTC */
export function progressOf(payment: Payment, now: number): string {
  const doubt = payment.doubtedUptimeMs === null
    ? ""
    : "; the log may have lost its newest facts, so both processors are asked first";
  return `${progress(payment, now)}: ${WHY[payment.reason]}${doubt}.`;
}

function progress({ stage, attempt, processor, acceptedAt, requestedAt }: Payment, now: number): string {
  switch (stage) {
    case "accepted":
      return `Waiting for its first attempt for ${age(acceptedAt, now)}`;
    case "dispatched":
      return `Bound to the ${processor} processor ${age(requestedAt, now)} ago, not known to be booked yet`;
    case "released":
      return `Waiting for ${age(acceptedAt, now)}, attempt ${attempt} at the ${processor} processor was not booked`;
    case "settled":
      return `Booked at the ${processor} processor`;
  }
}

function age(since: number, now: number): string {
  return `${Math.max(0, now - since)} ms`;
}
