/** What a batch of facts costs on its way to the peer, beside JSON. @module */
import { Decoder, encode, FACTS_PER_FRAME_MAX, type Frame } from "../src/peer/frame.ts";
import { accepted, dispatched, type Fact } from "../src/payment/fact.ts";

const START = Date.UTC(2026, 0, 1);

for (const count of [1, 16, FACTS_PER_FRAME_MAX]) {
  const facts = Array.from({ length: count }, (_, i): Fact => {
    const first = accepted(crypto.randomUUID(), 1_990 + i, START + i, "a");
    return dispatched(first, "a", "default", START + i + 1, "default-up");
  });
  const frame: Frame = { type: "facts", seq: count, epoch: 0, facts };
  const bytes = encode(frame);
  const json = new TextEncoder().encode(JSON.stringify(frame));
  const decoder = new Decoder();
  const [writer, reader] = [new TextEncoder(), new TextDecoder()];
  console.log(`${count} facts: ${bytes.length} bytes, as JSON ${json.length}`);

  Deno.bench(`encode(), ${count} facts`, { group: `encode ${count}`, baseline: true }, () => {
    encode(frame);
  });
  Deno.bench(`JSON.stringify(), ${count} facts`, { group: `encode ${count}` }, () => {
    writer.encode(JSON.stringify(frame));
  });
  Deno.bench(`Decoder.push(), ${count} facts`, { group: `decode ${count}`, baseline: true }, () => {
    decoder.push(bytes);
  });
  Deno.bench(`JSON.parse(), ${count} facts`, { group: `decode ${count}` }, () => {
    JSON.parse(reader.decode(json));
  });
}
