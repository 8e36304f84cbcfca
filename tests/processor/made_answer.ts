/**
 * Answers that are right by construction: status, fields, body and framing are drawn first and then written down. So the
 * expected end of each, whole or cut off anywhere, is known without a parser.
 * @module
 */
import fc from "fast-check";
import type { Ended } from "../../src/processor/http.ts";

/** A piece of what is sent; `of` says what it counts for. */
interface Part {
  readonly bytes: string;
  readonly of: "interim" | "head" | "framing" | "body";
}

/** An answer, and what it was made of. Strings hold a byte in every character. */
export interface MadeAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly parts: readonly Part[];
  /** whether its body ends with the connection only */
  readonly endless: boolean;
  /** whether the connection may be used again after it */
  readonly keeps: boolean;
}

/** The bytes of an answer. */
export function wire({ parts }: MadeAnswer): string {
  return parts.map(({ bytes }) => bytes).join("");
}

/** The expected end of a request that gets this answer, or its first bytes only and then the end of the connection. */
export function verdict({ status, retryAfter, parts, endless }: MadeAnswer, length = Infinity): Ended {
  let [left, body, headCame, whole] = [length, "", false, true];
  for (const { bytes, of } of parts) {
    const came = bytes.slice(0, Math.max(0, left));
    left -= bytes.length;
    if (of === "body") body += came;
    if (of === "head") headCame = came === bytes;
    if (came !== bytes && !(endless && of === "body")) whole = false;
  }
  return {
    status: headCame ? status : undefined,
    text: new TextDecoder("latin1").decode(Uint8Array.from(body, (byte) => byte.charCodeAt(0))),
    retryAfter: headCame ? retryAfter : undefined,
    sent: true,
    error: whole ? undefined : "the connection was closed",
  };
}

const framing = (bytes: string): Part => ({ bytes, of: "framing" });
const blanks = fc.constantFrom("", " ", " ", "\t", " \t  ");
const cased = (...texts: string[]) => fc.constantFrom(...texts.flatMap((t) => [t, t.toLowerCase(), t.toUpperCase()]));
const field = (name: fc.Arbitrary<string>, value: fc.Arbitrary<string>) =>
  fc.tuple(name, blanks, value, blanks).map(([name, before, value, after]) => `${name}:${before}${value}${after}\r\n`);
const name = fc.string({ unit: fc.constantFrom(..."azAZ09!#$%&'*+.^_`|~-"), maxLength: 9 }).map((name) => `X-${name}`);
const value = fc.string({ unit: fc.constantFrom(...'aZ09:;,="\\ \t\x80é\xff'), maxLength: 20 })
  .map((text) => text.replaceAll(/^[ \t]+|[ \t]+$/g, ""));
const others = (maxLength: number) => fc.array(field(name, value), { maxLength }).map((lines) => lines.join(""));
/** So many that a parser passes them on in parts. */
const crowd = fc.integer({ min: 31, max: 70 })
  .map((count) => Array.from({ length: count }, (_, n) => `X-${n}: ${n}\r\n`).join(""));
const seldom = <T>(usual: T, other: fc.Arbitrary<T>) => fc.oneof({ weight: 5, arbitrary: fc.constant(usual) }, other);
const body = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  fc.constantFrom(4_000, 4_095, 4_096, 4_097, 9_999).map((length) => new Uint8Array(length).fill(97)),
).map((bytes): Part => ({ bytes: String.fromCharCode(...bytes), of: "body" }));

/** A body, and the field that says where it ends. */
interface Framed {
  readonly version: string;
  readonly fields: string;
  readonly parts: readonly Part[];
}

const VERSION = "HTTP/1.1";
/** Node's parser, unlike RFC 9112, takes no tab after the value of a field that says where the body ends. */
const framed = (name: string, value: fc.Arbitrary<string>) =>
  field(cased(name), value).map((line) => line.replace(/[ \t]+\r/, " \r"));
const lengthField = (digits: string) => framed("Content-Length", fc.constant(digits));
const byLength: fc.Arbitrary<Framed> = fc.tuple(
  seldom(VERSION, fc.constant("HTTP/1.0")),
  fc.tuple(body, fc.constantFrom("", "0", "00")).chain(([body, zeros]) =>
    fc.tuple(lengthField(`${zeros}${body.bytes.length}`), fc.constant(body))
  ),
).map(([version, [fields, body]]) => ({ version, fields, parts: [body] }));

const size = fc.tuple(
  fc.constantFrom("", "", "0", "0000"),
  fc.boolean(),
  fc.constantFrom("", "", ";a", ";a=b", ';a="b; c"', ";a;b=c"),
).map(([zeros, upper, extension]) => (length: number) => {
  const digits = length.toString(16);
  return framing(`${zeros}${upper ? digits.toUpperCase() : digits}${extension}\r\n`);
});
const inChunks: fc.Arbitrary<Framed> = fc.tuple(
  fc.array(fc.tuple(body.filter(({ bytes }) => bytes !== ""), size), { maxLength: 4 }),
  size,
  others(2),
  framed("Transfer-Encoding", cased("chunked")),
).map(([chunks, last, trailers, fields]) => ({
  version: VERSION,
  fields,
  parts: [
    ...chunks.flatMap(([data, size]) => [size(data.bytes.length), data, framing("\r\n")]),
    last(0),
    framing(`${trailers}\r\n`),
  ],
}));

const interim = fc.tuple(fc.constantFrom("100 Continue", "102 Processing", "103 Early Hints", "199 X"), others(1))
  .map(([status, fields]): Part => ({ bytes: `${VERSION} ${status}\r\n${fields}\r\n`, of: "interim" }));
/** What is sent before the answer: line ends that an older server leaves behind, and answers that say one is to come. */
const before = seldom<Part[]>(
  [],
  fc.oneof(fc.constant<Part[]>([{ bytes: "\r\n", of: "interim" }]), fc.array(interim, { minLength: 1, maxLength: 2 })),
);
const shape = fc.oneof(
  { weight: 4, arbitrary: byLength.map((framed) => ({ framed, kind: "framed" as const })) },
  { weight: 4, arbitrary: inChunks.map((framed) => ({ framed, kind: "framed" as const })) },
  body.map((body) => ({ framed: { version: VERSION, fields: "", parts: [body] }, kind: "endless" as const })),
  // says how long the body of another answer would be, and has none
  fc.constantFrom("0", "7").chain(lengthField).map((fields) => ({
    framed: { version: VERSION, fields, parts: [] },
    kind: "bodiless" as const,
  })),
);

/** Any answer that is right. */
export const anyAnswer: fc.Arbitrary<MadeAnswer> = fc.record({
  before,
  shape,
  status: fc.oneof(fc.constantFrom(200, 404, 422, 429, 500, 503), fc.integer({ min: 200, max: 999 }))
    .filter((status) => status !== 204 && status !== 304),
  reason: fc.constantFrom(" OK", " Internal Server Error", " ", "", " é\t:"),
  fields: fc.oneof({ weight: 6, arbitrary: others(3) }, crowd),
  retryAfter: seldom<string | undefined>(undefined, fc.constantFrom("7", "Wed, 21 Oct 2015 07:28:00 GMT")),
  retryAfterName: cased("Retry-After"),
  connection: seldom<string | undefined>(undefined, cased("close", "keep-alive")),
  connectionName: cased("Connection"),
}).map(({ before, shape: { framed, kind }, status, reason, fields, ...drawn }) => {
  const { retryAfter, connection } = drawn;
  const [code, says] = [kind === "bodiless" ? 304 : status, connection?.toLowerCase()];
  const lines = [
    `${framed.version} ${code}${reason}\r\n`,
    fields,
    retryAfter === undefined ? "" : `${drawn.retryAfterName}: ${retryAfter}\r\n`,
    connection === undefined ? "" : `${drawn.connectionName}: ${connection}\r\n`,
    `${framed.fields}\r\n`,
  ];
  return {
    ...{ status: code, retryAfter, endless: kind === "endless" },
    parts: [...before, { bytes: lines.join(""), of: "head" } as const, ...framed.parts],
    keeps: kind !== "endless" && (framed.version === VERSION ? says !== "close" : says === "keep-alive"),
  };
});
