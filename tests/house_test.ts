/** The rules of the house that a compiler cannot hold: DESIGN.md, the house. @module */
import assert from "node:assert/strict";
import { needs } from "./support/permissions.ts";
import { TempFolder } from "./support/temp_folder.ts";

const ROOT = new URL("..", import.meta.url);
const FUNCTION_LINES_MAX = 70;

/**
 * What the rooms of `src/` may import of ours, beside themselves: rooms, or the one file of a room in which it says what it
 * needs of others, or has for them. Files directly in `src/` are not rooms: all may import them, but the roots.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  payment: [],
  ledger: ["payment", "store/store.ts"],
  store: ["payment", "ledger"],
  routing: ["payment", "ledger"],
  processor: ["payment", "routing/processor_client.ts", "service/observer.ts"],
  membership: ["payment", "routing/processor_client.ts"],
  peer: ["payment", "ledger", "routing/processor_client.ts"],
  nats: ["payment", "ledger/stream.ts", "peer/transport.ts"],
  service: ["payment", "ledger", "store", "routing", "membership", "peer"],
  telemetry: ["payment", "routing/processor_client.ts", "routing/route.ts", "service"],
  console: ["payment", "routing/dispatcher.ts", "peer/frame.ts", "service"],
  api: ["payment", "service", "console/watching.ts"],
  local: ["payment", "store"],
};

/** The rooms that a replica does not need for its work: only the roots import them. */
const EDGES = ["api", "telemetry", "console", "local"];

/** The composition roots: they know everyone, and nobody knows them but one another. */
const ROOTS = [
  "main.ts",
  ...["process", "replica", "recovery", "file_log", "stream_log"].map((name) => `src/${name}.ts`),
];

interface Source {
  /** from the root of the repository, with slashes */
  readonly path: string;
  readonly text: string;
  /** without comments, so that a rule is not broken by being explained */
  readonly code: string;
}

async function sources(folder = "src/"): Promise<Source[]> {
  const found: Source[] = [];
  const read = async (path: string) => {
    const text = await Deno.readTextFile(new URL(path, ROOT));
    found.push({ path, text, code: withoutComments(text) });
  };
  const walk = async (folder: string) => {
    for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
      if (entry.name === "packages") continue;
      if (entry.isDirectory) await walk(`${folder}${entry.name}/`);
      else if (entry.name.endsWith(".ts")) await read(`${folder}${entry.name}`);
    }
  };
  await walk(folder);
  if (folder === "src/") await read("main.ts").catch(() => {/* there is none yet */});
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

/** The files of ours that a file imports, types included, from the root of the repository. */
function imports({ path, code }: Source): string[] {
  const specifiers = code.matchAll(/\b(?:from|import)\s*\(?\s*["'](\.[^"']*)["']/g);
  return [...specifiers].map(([, specifier]) => new URL(specifier!, new URL(path, "file:///")).pathname.slice(1));
}

/** The room of `src/` that a file is in, or undefined. */
function room(path: string): string | undefined {
  return path.match(/^src\/([^/]+)\//)?.[1];
}

/** Asserts that no file breaks a rule, naming each that does. */
async function assertNone(breaks: (source: Source) => readonly string[]): Promise<void> {
  const all = await sources();
  assert.ok(all.length > 10, "the sources were found");
  assert.deepEqual(all.flatMap((source) => breaks(source).map((what) => `${source.path}: ${what}`)), []);
}

Deno.test("rooms import only what the house allows", needs("read"), async () => {
  await assertNone((source) => {
    const from = room(source.path);
    if (from === undefined) return [];
    const allowed = MAY_IMPORT[from];
    if (allowed === undefined) return [`${from} is no room of the house`];
    return imports(source).filter((path) => {
      const to = room(path);
      if (to === undefined) return from === "payment" || ROOTS.includes(path);
      return to !== from && !allowed.includes(to) && !allowed.includes(path.replace(/^src\//, ""));
    }).map((path) => `imports ${path}`);
  });
});

Deno.test("the core needs neither HTTP, metrics, pages nor what start needs", needs("read"), async () => {
  const isEdge = (path: string) => EDGES.includes(room(path) ?? "");
  await assertNone((source) => {
    if (["main.ts", "src/process.ts"].includes(source.path) || isEdge(source.path)) return [];
    return imports(source).filter(isEdge).map((path) => `imports ${path}`);
  });
});

Deno.test("no file of a room is needed by what it needs in another", needs("read"), async () => {
  const all = new Map((await sources()).map((source) => [source.path, source]));
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    imports(all.get(from)!).some((path) => {
      if (path === to) return true;
      if (seen.has(path) || !all.has(path)) return false;
      seen.add(path);
      return reaches(path, to, seen);
    });
  await assertNone((source) => {
    if (ROOTS.includes(source.path)) return [];
    return imports(source).filter((path) =>
      room(path) !== room(source.path) && all.has(path) && reaches(path, source.path)
    ).map((path) => `imports ${path}, and is needed there`);
  });
});

Deno.test(
  "only the composition roots know more than one room, and only they know each other",
  needs("read"),
  async () => {
    await assertNone((source) => {
      if (ROOTS.includes(source.path) || room(source.path) !== undefined) return [];
      return imports(source).filter((path) => ROOTS.includes(path) || room(path) !== undefined)
        .map((path) => `imports ${path}`);
    });
  },
);

Deno.test("only src/config.ts reads settings from the environment", needs("read"), async () => {
  // these hand the environment on to processes that they start
  const handOn = ["src/local/embedded.ts", "src/local/cluster.ts"];
  await assertNone(({ path, code }) => {
    if (path === "src/config.ts") return [];
    const uses = code.match(/\b(?:Deno|process)\.env\b(?:\.\w+|\[)?/g) ?? [];
    return uses.filter((use) => !(handOn.includes(path) && use === "Deno.env.toObject")).map((use) => `uses ${use}`);
  });
});

/** A line with which the body of a function begins, as `deno fmt` writes it; conditions and loops are none. */
const BODY = /(?:=>|\)(?:: [^=]+)?) \{$/;
const CONTROL = /^\s*(?:\} )?(?:if|for|while|switch|else|catch|do|try)\b/;

Deno.test(`no function of src is longer than ${FUNCTION_LINES_MAX} lines`, needs("read"), async () => {
  await assertNone(({ text }) => {
    const lines = text.split("\n");
    return lines.flatMap((line, first) => {
      if (!BODY.test(line) || CONTROL.test(line)) return [];
      const end = `${/^\s*/.exec(line)![0]}}`;
      const length = lines.slice(first + 1).findIndex((other) => other.startsWith(end)) + 2;
      return length > FUNCTION_LINES_MAX ? [`${length} lines from line ${first + 1}`] : [];
    });
  });
});

Deno.test("what decides has no clock, timer or chance of its own", needs("read"), async () => {
  const impure = /\b(?:setTimeout|setInterval|setImmediate|Date\.now|Math\.random|performance\.now)\b|\bnew Date\(\)/g;
  await assertNone(({ path, code }) => {
    const decides = ["payment", "ledger", "routing", "peer", "membership"].includes(room(path) ?? "") ||
      [...ROOTS.slice(2), "src/store/projector.ts"].includes(path);
    if (!decides || path.endsWith("_socket.ts")) return [];
    return (code.match(impure) ?? []).map((what) => `uses ${what}`);
  });
});

/** Where `deno doc` finds something exported, or a member of it, without a description: `src/clock.ts:14:3`. */
async function undescribed(paths: readonly string[]): Promise<string[]> {
  const options = { args: ["doc", "--lint", ...paths], cwd: ROOT, env: { NO_COLOR: "1" } };
  const { stderr } = await new Deno.Command(Deno.execPath(), options).output();
  const found = new TextDecoder().decode(stderr).matchAll(/^error\[missing-jsdoc\].*\n\s*--> (.*)$/gm);
  const ours = [...found].map(([, place]) => place!.replace(ROOT.pathname, ""));
  return [...new Set(ours)].filter((place) => !place.includes("node_modules/"));
}

Deno.test("what src exports is described, and each member of it", needs("read", "write", "run"), async () => {
  const paths = (await sources()).map(({ path }) => path);
  assert.deepEqual(await undescribed(paths), []);
  using temp = new TempFolder();
  const planted = `${temp.path}/planted.ts`;
  await Deno.writeTextFile(planted, "/** Described. */\nexport interface Shape {\n  readonly bare: string;\n}\n");
  assert.deepEqual(await undescribed([planted]), [`${planted}:3:12`]);
});

/** A name that a file exports. */
const EXPORT = /^export (?:async )?(?:function\*?|class|const|interface|type) (\w+)/gm;

Deno.test("nothing is exported that no other file uses", needs("read"), async () => {
  const all = [...await sources(), ...await sources("tests/"), ...await sources("bench/")];
  const uses = all.map((source) => ({ ...source, from: new Set(imports(source)) }));
  await assertNone(({ path, text }) =>
    [...text.matchAll(EXPORT)].map(([, name]) => name!).filter((name) =>
      !uses.some(({ from, code }) => from.has(path) && new RegExp(`\\b${name}\\b`).test(code))
    )
  );
});

Deno.test("NATS is known in its room only, which nothing loads before it is asked for", needs("read"), async () => {
  await assertNone(({ path, code }) => {
    if (room(path) === "nats") return [];
    return [...code.matchAll(/^import (?!type\b)[^;]*?from "(@nats-io\/[^"]*|[^"]*\/nats\/[^"]*)"/gm)].map(([, from]) =>
      from!
    );
  });
});

Deno.test("only the audit and the stand-in know the processors' admin API", needs("read"), async () => {
  await assertNone(({ path, code }) =>
    /["'`/]admin\/(?:payments|config|purge|deliver)/.test(code) && !/^src\/local\/(?:audit\/|standin)/.test(path)
      ? ["names /admin/"]
      : []
  );
});
