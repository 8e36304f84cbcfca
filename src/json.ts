/** A JSON object; members are own properties, whatever their names are. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads JSON. @returns the object, or undefined where the text is no JSON or something other than an object */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as JsonObject : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a name stands twice in any object of the text, which is JSON of `object`, however it is escaped. */
export function repeatsName(text: string, object: JsonObject): boolean {
  // each member has a colon: where there are no others, no member is lost
  if (text.split(":").length - 1 === Object.keys(object).length) return false;
  const values: unknown[] = [object];
  let members = 0;
  // what is inside is appended: it may be nested deeper than the stack is
  for (const value of values) {
    for (const inside of value instanceof Object ? Object.values(value) : []) {
      values.push(inside);
      if (!Array.isArray(value)) members++;
    }
  }
  return text.match(/"(?:[^"\\]|\\.)*"\s*:?/g)!.filter((token) => token.endsWith(":")).length > members;
}
