import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { DecisionRecord, Ending, FailureClass } from "../../src/domain/DecisionRecord.ts"

const page = readFileSync(join(import.meta.dirname, "../../docs/EXPLAIN.md"), "utf8")
/** First cells of the page's tables. */
const rows = new Set(Array.from(page.matchAll(/^\| `([\w-]+)` +\|/gm), ([, name]) => name ?? ""))

describe("docs/EXPLAIN.md", () => {
  it("has a row for every member of the record, every class and every ending", () => {
    const wanted = [...Object.keys(DecisionRecord.fields), ...FailureClass.literals, ...Ending.literals]
    expect(wanted.filter((name) => !rows.has(name))).toEqual([])
  })

  it("says what every member of an attempt is", () => {
    const told = /^An attempt: [^]*?\n\n/m.exec(page)?.[0] ?? ""
    const wanted = Object.keys(DecisionRecord.fields.attempts.value.fields)
    expect(wanted.filter((name) => !told.includes(`\`${name}\``))).toEqual([])
  })

  it("shows a record of the right shape", () => {
    const example = /```json\n([^`]+)```/.exec(page)?.[1] ?? ""
    const decoded = Schema.decodeUnknownExit(DecisionRecord, { onExcessProperty: "error" })(JSON.parse(example))
    expect(decoded).toMatchObject({ _tag: "Success" })
  })
})
