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
