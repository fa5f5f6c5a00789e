import { describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")
const page = readFileSync(join(root, "SECURITY.md"), "utf8")

/** Lines of the tables that name what stops something, each with its proofs. */
const lines = page.split("\n").filter((line) => line.startsWith("| ") && line.includes("`test/"))
const proofs = lines.flatMap((line) =>
  Array.from(line.matchAll(/`(test\/[^`]+)`(?: "([^"]+)")?/g), ([, file = "", title = ""]) => ({ file, title }))
)

/** Titles that a source has, as it writes them. */
const hasTitle = (source: string, title: string): boolean =>
  ["\"", "`"].some((quote) => source.includes(quote + title.replaceAll("\"", "\\\"") + quote))

describe("SECURITY.md", () => {
  it("has a proof for every class of incident", () => {
    const classes = page.slice(page.indexOf("## What happened elsewhere"), page.indexOf("## Known limits"))
      .split("\n").filter((line) => /^\| (?!-|elsewhere)/.test(line))
    expect(classes.length).toBeGreaterThan(40)
    expect(classes.filter((line) => !lines.includes(line))).toEqual([])
  })

  it.each(proofs)("names a test that is there: $file, $title", ({ file, title }) => {
    expect(existsSync(join(root, file))).toBe(true)
    expect(hasTitle(readFileSync(join(root, file), "utf8"), title)).toBe(true)
  })
})
