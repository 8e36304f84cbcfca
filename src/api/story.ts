/** A payment's story for people: the page that a browser is given at `GET /payments/{id}`. @module */
import { html } from "@hono/hono/html";
import type { z } from "@zod/zod";
import type { paymentAnswer } from "./schemas.ts";

type Payment = z.infer<typeof paymentAnswer>;

const SOURCES: Readonly<Record<Payment["source"], string>> = {
  memory: "Told from memory.",
  postgres: "Told from Postgres.",
  snapshot:
    "Only where it is now is known: what happened in between is not known any more, or Postgres cannot be asked.",
};

/** The page of one payment. */
export async function storyPage(payment: Payment): Promise<string> {
  const { correlationId: id, amount, facts, source, complete } = payment;
  const from = complete || source === "snapshot"
    ? SOURCES[source]
    : `${SOURCES[source]} Some steps are not known any more.`;
  return await frame(
    `Payment ${id}`,
    html`
      <h1>Payment <code>${id}</code></h1>
      <p class="lead">${amount.toFixed(2)}, ${payment.state}. ${payment.why}</p>
      <div class="scroll" tabindex="0" role="group" aria-label="What happened">
        <table>
          <caption>What happened, oldest first; times are UTC</caption>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">What</th>
              <th scope="col">Attempt</th>
              <th scope="col">Processor</th>
              <th scope="col">Replica</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            ${facts.map((fact) =>
              html`
                <tr>
                  <td><time datetime="${fact.at}">${fact.at.replace("T", " ").replace("Z", "")}</time></td>
                  <td>${fact.state}</td>
                  <td class="figure">${fact.attempt || ""}</td>
                  <td>${fact.processor ?? ""}</td>
                  <td>${fact.replica}</td>
                  <td class="why">${fact.why}</td>
                </tr>
              `
            )}
          </tbody>
        </table>
      </div>
      <p class="quiet">${from} Programs get the same as JSON from this address.</p>
    `,
  );
}

/** The page of a payment that is not known. */
export async function noStoryPage(): Promise<string> {
  return await frame(
    "No such payment",
    html`
      <h1>There is no such payment</h1>
      <p class="lead">No payment with this id is known here.</p>
    `,
  );
}

async function frame(title: string, body: ReturnType<typeof html>): Promise<string> {
  return String(
    await html`
      <!DOCTYPE html>
      <html lang="en">
        <head>
          <meta charset="utf-8">
          <meta name="viewport" content="width=device-width, initial-scale=1">
          <meta name="color-scheme" content="light dark">
          <title>${title} · Galo</title>
          <link rel="icon" href="/watch/icon.svg">
          <link rel="stylesheet" href="/watch/page.css">
        </head>
        <body>
          <main>${body}</main>
        </body>
      </html>
    `,
  ).trimStart();
}
