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

const COLUMNS = ["When", "What", "Attempt", "Processor", "Replica", "Why"];

/** The page of one payment; without one, that it is not known. */
export async function storyPage(payment?: Payment): Promise<string> {
  const page = await html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${payment ? `Payment ${payment.correlationId}` : "No such payment"} · Galo</title>
        <link rel="icon" href="/watch/icon.svg">
        <link rel="stylesheet" href="/watch/page.css">
      </head>
      <body>
        <main>${payment ? storyOf(payment) : UNKNOWN}</main>
      </body>
    </html>
  `;
  return String(page).trimStart();
}

const UNKNOWN = html`
  <h1>There is no such payment</h1>
  <p class="lead">No payment with this id is known here.</p>
`;

function storyOf({ correlationId: id, amount, state, why, facts, source, complete }: Payment) {
  const gaps = complete || source === "snapshot" ? "" : " Some steps are not known any more.";
  return html`
    <h1>Payment <code>${id}</code></h1>
    <p class="lead">${amount.toFixed(2)}, ${state}. ${why}</p>
    <div class="scroll" tabindex="0" role="group" aria-label="What happened">
      <table>
        <caption>What happened, oldest first; times are UTC</caption>
        <thead>
          <tr>
            ${COLUMNS.map((column) => html`<th scope="col">${column}</th>`)}
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
    <p class="quiet">${SOURCES[source]}${gaps} Programs get the same as JSON from this address.</p>
  `;
}
