import { describe, expect, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pages } from "../../tools/generate-docs.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")
const written = ["README.md", "CONTRIBUTING.md", ...globSync("docs/**/*.md", { cwd: root })]

/** Targets of relative links, without what follows `#`. */
const links = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target ?? "")
    .filter((target) => !/^(?:[a-z]+:|#)/.test(target))
    .map((target) => target.replace(/#.*$/, ""))

describe("the pages", () => {
  it.each(Object.entries(pages))("%s is what its generator writes (node tools/generate-docs.ts)", (path, page) => {
    expect(read(path)).toBe(page())
  })

  it.each(written)("%s links to files that are there", (path) => {
    expect(links(read(path)).filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([])
  })

  it("are more than none, and so are their links", () => {
    expect(written.length).toBeGreaterThan(5)
    expect(written.flatMap((path) => links(read(path))).length).toBeGreaterThan(10)
  })
})
