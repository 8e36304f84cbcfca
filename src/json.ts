/** A JSON object; members are own properties, whatever their names are. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads JSON. @returns the object, or undefined if the text is no JSON or something other than an object */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a name stands twice in an object of the text, which is the JSON of `object`, escaped or not. */
export function repeatsName(text: string, object: JsonObject): boolean {
  // each member has a colon: if there are no others, no member is lost
  if (text.split(":").length - 1 === Object.keys(object).length) return false;
  const values: unknown[] = [object];
  let members = 0;
  // nested values are appended, not visited: they may be deeper than the stack
  for (const value of values) {
    for (const inside of value instanceof Object ? Object.values(value) : []) {
      values.push(inside);
      if (!Array.isArray(value)) members++;
    }
  }
  return text.match(/"(?:[^"\\]|\\.)*"\s*:?/g)!.filter((token) => token.endsWith(":")).length > members;
}
