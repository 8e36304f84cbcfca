/** Which tests can run: `deno test` without flags runs those that need nothing. @module */

/**
 * The options of a test that needs permissions: ignored, with the reason said once, where they are not granted.
 *
 * @param names permissions that the test needs in full
 */
export function needs(...names: Deno.PermissionName[]): { ignore: boolean } {
  const missing = names.filter((name) =>
    Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state !== "granted"
  );
  for (const name of missing) say(name);
  return { ignore: missing.length > 0 };
}

const said = new Set<string>();

function say(name: string): void {
  if (said.has(name)) return;
  said.add(name);
  console.warn(`left out: tests that need --allow-${name} (deno task test runs everything)`);
}
