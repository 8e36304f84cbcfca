/** Request bodies, read once and never further than a limit. @module */

/** Why there is no body: it is too long, or the caller went away before its end. */
type BodyFault = "body-too-long" | "malformed-body";

/** Reads a body. @param bytesMax a longer one is neither read to its end nor kept */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array | BodyFault> {
  const declared = request.headers.get("content-length");
  if (Number(declared) > bytesMax) return "body-too-long";
  try {
    // costs half of reading chunks; the server cuts a body off at its declared length
    return declared === null ? await readChunks(request, bytesMax) : await request.bytes();
  } catch {
    return "malformed-body";
  }
}

async function readChunks({ body }: Request, bytesMax: number): Promise<Uint8Array | BodyFault> {
  const bytes = new Uint8Array(bytesMax);
  let size = 0;
  for await (const chunk of body ?? []) {
    // leaving the loop cancels the stream
    if (size + chunk.length > bytesMax) return "body-too-long";
    bytes.set(chunk, size);
    size += chunk.length;
  }
  return bytes.subarray(0, size);
}
