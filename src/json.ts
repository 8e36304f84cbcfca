/** A JSON object; members are own properties, whatever their names are. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** @returns the object, or undefined where the text is no JSON or something other than an object */
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
  return text.match(/"(?:[^"\\]|\\.)*"\s*:?/g)!.filter((token) => token.endsWith(":")).length > membersOf(object);
}

function membersOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const values = Object.values(value);
  return values.reduce((sum: number, value) => sum + membersOf(value), Array.isArray(value) ? 0 : values.length);
}
