/** Request bodies, read once and never further than a limit. @module */

/** Why there is no body: longer than the limit, or the caller went away before its end. */
export type BodyFault = "too-long" | "broken-off";

/**
 * The bytes of a body.
 *
 * @param bytesMax a longer body is not read to its end, nor kept
 */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array | BodyFault> {
  const declared = request.headers.get("content-length");
  try {
    if (declared === null) return await readChunks(request.body, bytesMax);
    // the server cuts a body off where its declared length ends; reading it whole costs half of reading chunks
    return Number(declared) <= bytesMax ? await request.bytes() : "too-long";
  } catch {
    return "broken-off";
  }
}

async function readChunks(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array | BodyFault> {
  const bytes = new Uint8Array(bytesMax);
  let size = 0;
  for await (const chunk of body ?? []) {
    // leaving the loop cancels the stream
    if (size + chunk.length > bytesMax) return "too-long";
    bytes.set(chunk, size);
    size += chunk.length;
  }
  return bytes.subarray(0, size);
}
