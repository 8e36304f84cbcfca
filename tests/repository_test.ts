/** What the repository says of itself: files that it names, tasks, settings, ports, and its two configurations. @module */
import assert from "node:assert/strict";
import { SETTINGS } from "../src/config.ts";
import { needs } from "./support/permissions.ts";

const ROOT = new URL("..", import.meta.url);
const SKIPPED = /^(?:\.git|\.galo|node_modules|coverage|out)$/;
const TEXT = /(?:\.(?:ts|js|md|html|css|json|yaml|toml|lock|Caddyfile)|\/run|^[A-Z]\w+)$/;

/** Each file's text by its path from the root; empty where it is none. */
type Files = ReadonlyMap<string, string>;

async function repository(): Promise<Files> {
  const files = new Map<string, string>();
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder || ".", ROOT))) {
      const path = folder + name;
      if (SKIPPED.test(name)) continue;
      if (isDirectory) await walk(`${path}/`);
      else files.set(path, TEXT.test(path) ? await Deno.readTextFile(new URL(path, ROOT)) : "");
    }
  };
  await walk("");
  return files;
}

/** Whether a file or folder of the repository is called so, seen from a file. */
function beside(files: Files, from: string, name: string): boolean {
  const at = new URL(name, `file:///${from}`).pathname.slice(1).replace(/\/$/, "");
  return [...files.keys()].some((path) => path === at || path.startsWith(`${at}/`));
}

/** The same for names in prose, which may begin anywhere. */
function known(files: Files, from: string, name: string): boolean {
  const end = `/${name.replace(/^(?:\.{0,2}\/)+/, "")}`;
  return beside(files, from, name) || [...files.keys()].some((path) => `/${path}`.endsWith(end));
}

/** A relative link of Markdown, without what is within the page. */
const LINK = /\]\(([^)#\s]+)[^)]*\)/g;
const NAME = /(?<![\w./@:$}{*-])[\w.-]+(?:\/[\w.-]+)*\.(?:ts|md|json|yaml|html|css|js|toml)\b/g;
/** What something writes when it runs, and the challenge's own files. */
const ELSEWHERE = /^(?:(?:results|figures|body|run|.*-results)\.json|report\.html|ramp\.js)$/;

/** Links and names in prose and comments that lead nowhere. */
function deadNames(files: Files): string[] {
  return [...files].flatMap(([path, text]) => {
    const page = path.endsWith(".md");
    const prose = page ? text.replaceAll(LINK, "") : comments(path, text);
    const links = page ? [...text.matchAll(LINK)].map(([, link]) => link!).filter((link) => !/^\w+:/.test(link)) : [];
    const names = [...prose.matchAll(NAME)].map(([name]) => name).filter((name) => !ELSEWHERE.test(name));
    const dead = [
      ...links.filter((link) => !beside(files, path, link)),
      ...names.filter((name) => !known(files, path, name)),
    ];
    return [...new Set(dead)].map((name) => `${path}: ${name}`);
  });
}

const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

function comments(path: string, text: string): string {
  if (/\.(?:ts|js|css)$/.test(path)) return (text.match(COMMENT) ?? []).join("\n");
  return /\.(?:json|lock|html)$/.test(path) ? "" : (text.match(/(?<=^|\s)#.*$/gm) ?? []).join("\n");
}

/** The lines and lists of the README and the design that are too long. */
function longProse(files: Files): string[] {
  const lines = (path: string) => files.get(path)!.trimEnd().split("\n");
  const wide = ["README.md", "src/DESIGN.md"].flatMap((path) =>
    lines(path).filter((line) => [...line].length > 120).map((line) => `${path}: ${line}`)
  );
  const { length } = lines("README.md");
  const words = lines("src/DESIGN.md").slice(lines("src/DESIGN.md").indexOf("## Words")).filter((line) =>
    line[0] === "|"
  );
  return [...wide, ...length > 150 ? [`README.md: ${length} lines`] : [], ...words.length > 2 + 20 ? ["Words"] : []];
}

/** Tasks that neither the README nor another task names. */
function unknownTasks(files: Files): string[] {
  const { tasks } = JSON.parse(files.get("deno.json")!) as { tasks: Record<string, string | { command: string }> };
  const commands = Object.values(tasks).map((task) => typeof task === "string" ? task : task.command);
  return Object.keys(tasks).filter((name) => {
    const call = new RegExp(`deno task ${name}(?![\\w:])`);
    return ![files.get("README.md")!, ...commands].some((text) => call.test(text));
  });
}

/** Settings whose value no code of `src/` and `main.ts` takes. */
function unreadSettings(files: Files, names: readonly string[]): string[] {
  const code = [...files].filter(([path]) => /^(?:src\/.*|main)\.ts$/.test(path))
    .map(([, text]) => text.replaceAll(COMMENT, "")).join("\n");
  return names.filter((name) => !new RegExp(`\\.${name}\\b|[{,]\\s*${name}(?::\\s*\\w+)?\\s*[,}][^;]*=`).test(code));
}

/** Ports with a number, in tests that could take them from one another. */
function fixedPorts(files: Files): string[] {
  // these only read addresses
  const texts = ["tests/config_test.ts", "tests/bench/options_test.ts", "tests/repository_test.ts"];
  const port = /\bport"?: ?"?[1-9]\d{2}|--port", "[1-9]|(?:localhost|\d\.\d\.\d\.\d|:1\]):[1-9]\d/gi;
  return [...files].filter(([path]) => /^tests\/(?!compose\/).*\.ts$/.test(path) && !texts.includes(path))
    .flatMap(([path, text]) => (text.match(port) ?? []).map((found) => `${path}: ${found}`));
}

/** The repository, with a line more in one of its files. */
function planted(files: Files, path: string, line: string): Files {
  return new Map([...files, [path, `${files.get(path)}\n${line}\n`]]);
}

Deno.test("every link and every file that prose and comments name is there", needs("read"), async () => {
  const files = await repository();
  assert.deepEqual(deadNames(files), []);
  for (const line of ["[x](bench/gone.md)", "see `src/gone.ts`", "[x](tests/none/)"]) {
    assert.equal(deadNames(planted(files, "README.md", line)).length, 1, line);
  }
  assert.deepEqual(deadNames(planted(files, "main.ts", "// as GONE.md says")), ["main.ts: GONE.md"]);
});

Deno.test(
  "the README has 150 lines at most, the design's glossary 20 words, and a line of either 120 characters",
  needs("read"),
  async () => {
    const files = await repository();
    assert.deepEqual(longProse(files), []);
    assert.deepEqual(longProse(planted(files, "src/DESIGN.md", "é".repeat(121))).length, 1);
    assert.deepEqual(longProse(planted(files, "README.md", "x\n".repeat(150))).length, 1);
    assert.deepEqual(longProse(planted(files, "src/DESIGN.md", "| one word more | means |")), ["Words"]);
  },
);

Deno.test("every task is in the README, or part of another", needs("read"), async () => {
  const files = await repository();
  assert.deepEqual(unknownTasks(files), []);
  const config = JSON.stringify({ tasks: { ...JSON.parse(files.get("deno.json")!).tasks, secret: "true" } });
  assert.deepEqual(unknownTasks(new Map([...files, ["deno.json", config]])), ["secret"]);
});

Deno.test("every setting has a reader", needs("read"), async () => {
  const files = await repository();
  const names = Object.keys(SETTINGS);
  assert.deepEqual(unreadSettings(files, names), []);
  assert.deepEqual(unreadSettings(files, [...names, "UNREAD"]), ["UNREAD"]);
});

Deno.test("no test but those of the compose file takes a port of a fixed number", needs("read"), async () => {
  const files = await repository();
  assert.deepEqual(fixedPorts(files), []);
  const line = "Deno.listen({ port: 9999 })";
  assert.deepEqual(fixedPorts(planted(files, "tests/main_test.ts", line)), ["tests/main_test.ts: port: 999"]);
});

Deno.test("tests run with the packages and options of what they test", needs("read"), async () => {
  const files = await repository();
  const parsed = (path: string) => JSON.parse(files.get(path)!);
  const [own, tests] = [parsed("src/packages/deno.json"), parsed("deno.json")];
  for (const option of ["compilerOptions", "unstable", "allowScripts"]) {
    assert.deepEqual(tests[option], own[option], option);
  }
  assert.deepEqual({ ...tests.imports, ...own.imports }, tests.imports);
  const [locked, testsLocked] = [parsed("src/packages/deno.lock").npm, parsed("deno.lock").npm];
  for (const [name, what] of Object.entries(locked)) assert.deepEqual(testsLocked[name], what, name);
});
