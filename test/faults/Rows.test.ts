import { describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { scripts } from "./Catalogue.ts"
import { playedIn } from "./Rows.ts"
import { cases } from "./scenarios.ts"

const rows = Array.from({ length: 63 }, (_, index) => index + 1)
const root = join(import.meta.dirname, "../..")
const inTable = new Set(cases.flatMap((row) => row.faults))
/** Rows about what else is asked for, whatever the scenario: a plain answer that is cut, no healthy target, a refused prefill. */
const ofRequest = new Set([35, 47, 49])
const isPlayed = (row: number): boolean => inTable.has(row) || playedIn[row] !== undefined

/** The titles that no test of the file has, or only one that is skipped whatever the machine. */
const missing = (file: string, titles: ReadonlyArray<string>): ReadonlyArray<string> => {
  const path = join(root, file)
  const text = existsSync(path) ? readFileSync(path, "utf8") : ""
  return titles.filter((title) => {
    const at = text.indexOf(`"${title}"`)
    return at === -1 || /\b(?:it|describe)\.(?:skip|todo)\b[^]{0,40}$/.test(text.slice(0, at))
  })
}

describe("the fault table", () => {
  it.for(rows)("row %i is played", (row) => {
    expect(isPlayed(row)).toBe(true)
    for (const { file, tests } of playedIn[row] ?? []) expect([file, missing(file, tests)]).toEqual([file, []])
  })

  it("is claimed by no request whose scenario does not play the row", () => {
    const strangers = cases.flatMap(({ faults, name, scenario }) => {
      const played = scripts[scenario.split(":")[0] ?? ""]?.faults ?? []
      return faults.filter((fault) => !played.includes(fault) && !ofRequest.has(fault)).map((fault) => [name, fault])
    })
    expect(strangers).toEqual([])
  })
})
