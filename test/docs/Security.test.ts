import { describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "../..")
const page = readFileSync(join(root, "SECURITY.md"), "utf8")

/** Lines of the tables that name what stops something, each with its proofs. */
const lines = page.split("\n").filter((line) => line.startsWith("| ") && line.includes("`test/"))
const proofs = lines.flatMap((line) =>
  Array.from(line.matchAll(/`(test\/[^`]+)`(?: "([^"]+)")?/g), ([, file = "", title = ""]) => ({ file, title }))
)

/** A file of tests and the tables that it reads its titles from. */
const sourcesOf = (file: string): string => {
  const source = readFileSync(join(root, file), "utf8")
  const tables = Array.from(source.matchAll(/from "(\.[^"]+)"/g), ([, path = ""]) => join(root, dirname(file), path))
  return [source, ...tables.filter((path) => existsSync(path)).map((path) => readFileSync(path, "utf8"))].join("\n")
}

/** A part of a title that is the same in every run, as `vitest -t` finds it. */
const isFixed = (title: string): boolean => title.length > 7 && !/[$%`]/.test(title)

describe("SECURITY.md", () => {
  it("has a proof for every class of incident", () => {
    const classes = page.slice(page.indexOf("## What happened elsewhere"), page.indexOf("## Known limits"))
      .split("\n").filter((line) => /^\| (?!-|elsewhere)/.test(line))
    expect(classes.length).toBeGreaterThan(40)
    expect(classes.filter((line) => !lines.includes(line))).toEqual([])
  })

  it.each(proofs)("names a test that is there: $file, $title", ({ file, title }) => {
    expect(file).toMatch(/\.test\.ts$/)
    expect(isFixed(title)).toBe(true)
    expect(sourcesOf(file).replaceAll("\\\"", "\"")).toContain(title)
  })
})
