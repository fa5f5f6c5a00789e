import { describe, expect, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { playedIn, unplayed } from "./Rows.ts"
import { cases } from "./scenarios.ts"

const rows = Array.from({ length: 63 }, (_, index) => index + 1)
const root = join(import.meta.dirname, "../..")
const inTable = new Set(cases.flatMap((row) => row.faults))
const isPlayed = (row: number): boolean => inTable.has(row) || playedIn[row] !== undefined

describe("the fault table", () => {
  it.for(rows.filter((row) => isPlayed(row) || unplayed[row] === undefined))("row %i is played", (row) => {
    expect(isPlayed(row)).toBe(true)
    for (const file of playedIn[row] ?? []) expect([file, existsSync(join(root, file))]).toEqual([file, true])
  })

  // What is open is listed, with its reason.
  // oxlint-disable-next-line vitest/no-disabled-tests
  it.skip.for(Object.entries(unplayed))("row %s is open: %s", () => undefined)
})
