import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import * as ScenarioModule from "../../src/providers/Scenario.ts"

const root = join(import.meta.dirname, "../..")
const page = readFileSync(join(root, "docs/TESTING.md"), "utf8")

/** What is exported for the providers that play scenarios, not for those who write them. */
const inner = new Set(["millis", "resolve"])

describe("docs/TESTING.md", () => {
  it("shows examples/testing.ts as it is", () => {
    expect(page).toContain(`\`\`\`ts\n${readFileSync(join(root, "examples/testing.ts"), "utf8")}\`\`\``)
  })

  it("shows what the example prints", async () => {
    const example = ["--conditions=breakwater:source", join(root, "examples/testing.ts")]
    const { stdout } = await promisify(execFile)(process.execPath, example, { cwd: root })
    expect(page).toContain(`\`\`\`\n${stdout.trim()}\n\`\`\``)
  }, 60_000)

  it("has a row for every scenario", () => {
    const rows = page.split("\n").filter((line) => line.startsWith("| `"))
    const named = Object.keys(ScenarioModule).filter((name) => !inner.has(name))
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !rows.some((row) => new RegExp(`\\b${name}\\b`).test(row.split("|")[1] ?? ""))))
      .toEqual([])
  })
})
