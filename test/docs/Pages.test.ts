import { describe, expect, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pages } from "../../tools/generate-docs.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")
const written = ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...globSync("docs/**/*.md", { cwd: root })]

/** Targets of relative links, without what follows `#`. */
const links = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target ?? "")
    .filter((target) => !/^(?:[a-z]+:|#)/.test(target))
    .map((target) => target.replace(/#.*$/, ""))

describe("the pages", () => {
  it.each(Object.entries(pages))("%s is what its generator writes (npm run docs)", (path, page) => {
    expect(read(path)).toBe(page())
  })

  it("ERRORS.md lists every code that the source gives, and none that it does not", () => {
    const sources = globSync("src/**/*.ts", { cwd: root }).filter((path) => !path.startsWith("src/providers/"))
    const given = new Set(
      sources.flatMap((path) => Array.from(read(path).matchAll(/\bcode: "(\w+)"(?! in )/g), ([, code]) => code ?? ""))
    )
    const chapter = /## Every code\n([^]*?)\n## /.exec(read("docs/ERRORS.md"))?.[1] ?? ""
    const listed = new Set(Array.from(chapter.matchAll(/^\| `(\w+)`/gm), ([, code]) => code ?? ""))
    // Upstreams' own words, which a reason takes over as they are, are not the gateway's.
    expect(given.size).toBeGreaterThan(30)
    expect(Array.from(given).filter((code) => !listed.has(code))).toEqual([])
    expect(Array.from(listed).filter((code) => !given.has(code))).toEqual([])
  })

  it.each(written)("%s links to files that are there", (path) => {
    expect(links(read(path)).filter((target) => !existsSync(join(root, dirname(path), target)))).toEqual([])
  })

  it("are more than none, and so are their links", () => {
    expect(written.length).toBeGreaterThan(5)
    expect(written.flatMap((path) => links(read(path))).length).toBeGreaterThan(10)
  })
})
