/** A story as {@link Stories} keeps it, however long it is. @module */
import assert from "node:assert/strict";
import { Stories } from "../../src/console/stories.ts";
import type { StoryStep } from "../../src/console/watching.ts";
import { PAIR } from "../support/pair.ts";

export function storyText(lines: readonly StoryStep[]): string {
  return lines.map((line) => {
    const stories = new Stories(PAIR);
    stories.add("", line);
    const text = stories.get("");
    assert.ok(text !== undefined);
    return text;
  }).join(";");
}
