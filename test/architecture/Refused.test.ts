/** Breaks each rule once in a scratch project and sees the machines refuse it, with the real settings of lint and tsc. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "../..")
const bin = (name: string): string => join(root, "node_modules/.bin", name)
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "breakwater-refused-")))

// In two parts, for tsc reads directives in strings too.
const directive = ["@effect", "diagnostics-next-line globalDate:off"].join("-")

const lines = (count: number): string => "  a()\n".repeat(count)

/** File → what is wrong with it (rule code) and its text. */
const lint: Readonly<Record<string, readonly [rule: string | undefined, text: string]>> = {
  "src/resilience/Upward.ts": [
    "house(floors)",
    `import type { Route } from "../gateway/Route.ts"\nexport type A = Route`
  ],
  "src/resilience/Outside.ts": ["house(floors)", `export { connect } from "node:net"`],
  "src/resilience/Dynamic.ts": ["house(floors)", `export const a = () => import("../gateway/Route.ts")`],
  "src/resilience/TypeQuery.ts": ["house(floors)", `export type A = import("../gateway/Route.ts").Route`],
  "src/resilience/Env.ts": ["house(ambient)", `export const a = process.env["HOME"]`],
  "src/resilience/Destructured.ts": [
    "house(ambient)",
    `export const a = () => { const { env } = process\n  return env }`
  ],
  "src/resilience/Print.ts": ["house(ambient)", `export const a = () => console.log("a")`],
  "src/resilience/Fetch.ts": ["house(ambient)", `export const a = () => globalThis.fetch("http://127.0.0.1")`],
  "src/resilience/Now.ts": ["house(ambient)", `export const a = () => Date.now()`],
  "src/resilience/Today.ts": ["house(ambient)", `export const a = () => new Date()`],
  "src/resilience/Dice.ts": ["house(ambient)", `export const a = () => Math.random()`],
  "src/resilience/Timer.ts": ["house(ambient)", `export const a = (f: () => void) => setTimeout(f, 1)`],
  "src/resilience/Any.ts": ["house(reasons)", `export const a = (b: any) => b`], // refused: the type is its whole point
  "src/resilience/Cast.ts": ["house(reasons)", `export const a = (b: unknown) => b as string`],
  "src/resilience/Bang.ts": ["house(reasons)", `export const a = (b: ReadonlyArray<string>) => b[0]!`],
  "src/resilience/Silenced.ts": ["house(reasons)", `// ${directive}\nexport const a = 1`],
  "src/resilience/Long.ts": ["house(function-size)", `export const f = (a: () => void) => {\n${lines(60)}}`],
  "src/resilience/Default.ts": ["import(no-default-export)", `export default 1`],
  "src/resilience/Huge.ts": ["eslint(max-lines)", "export let a = 1\n" + "a++\n".repeat(300)],
  "src/resilience/Round.ts": ["import(no-cycle)", `import { b } from "./Trip.ts"\nexport const a = () => b()`],
  "src/resilience/Trip.ts": ["import(no-cycle)", `import { a } from "./Round.ts"\nexport const b = () => a()`],
  "src/gateway/Route.ts": [undefined, `export type Route = string`],
  "src/resilience/Clean.ts": [
    undefined,
    `import type { Effect } from "effect"
// A header value is a string or a list; this one is set once.
export const a = (b: unknown) => b as string
export const c = (d: unknown) => d as string // the caller has checked it
export const e = ["f"] as const
// ${directive} -- below the clock, measured
export const g = () => Date.now()
export const h = (fetch: () => Effect.Effect<void>, date: Date) => [fetch(), new Date(date), { console: 1 }.console]
export const i = (j: () => void) => {
  const k = () => {\n${lines(40)}  }
${lines(20)}  return [j, k]
}`
  ],
  "test/resilience/Free.test.ts": [undefined, `export const a = (b: any) => [console.log(b), Date.now(), b as string]`] // let pass, for it is a test
}

/** Effect diagnostic → a file of src that earns it; one of each group is enough to see that the settings reach tsc. */
const types: Readonly<Record<string, string>> = {
  floatingEffect: `import { Effect } from "effect"\nEffect.void`,
  globalDate: `export const a = () => Date.now()`,
  globalTimersInEffect: `import { Effect } from "effect"\nexport const a = Effect.sync(() => setTimeout(() => {}, 1))`,
  processEnv: `export const a = process.env["HOME"]`,
  asyncFunction: `export const a = async () => 1`,
  deterministicKeys:
    `import { Context } from "effect"\nexport class Wrong extends Context.Service<Wrong, { readonly a: 1 }>()("breakwater/Other") {}`,
  TS1294: `export enum A { B }`,
  TS2375: `export const a: { readonly b?: string } = { b: undefined }`,
  TS2322: `export const a = (b: ReadonlyArray<string>): string => b[0]`
}

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(scratch, path)), { recursive: true })
  writeFileSync(join(scratch, path), `${text}\n`)
}

describe("a broken rule", () => {
  const found = new Map<string, Array<string>>()
  let refused = ""

  beforeAll(() => {
    for (const path of [".oxlintrc.json", "floors.json", "package.json", "tsconfig.json", "tools"]) {
      cpSync(join(root, path), join(scratch, path), { recursive: true })
    }
    symlinkSync(realpathSync(join(root, "node_modules")), join(scratch, "node_modules"))
    for (const [path, [, text]] of Object.entries(lint)) write(path, text)
    const { stdout } = spawnSync(bin("oxlint"), ["--format", "json", "src", "test"], { cwd: scratch, encoding: "utf8" })
    for (const { code, filename } of JSON.parse(stdout).diagnostics) {
      found.set(filename, [...found.get(filename) ?? [], code])
    }

    rmSync(join(scratch, "src"), { recursive: true })
    rmSync(join(scratch, "test"), { recursive: true })
    for (const [rule, text] of Object.entries(types)) write(`src/resilience/${rule}.ts`, text)
    write(
      "test/resilience/Free.test.ts",
      `export const a = async () => [Date.now(), Math.random(), process.env["HOME"]]`
    )
    execFileSync(bin("effect-tsgo"), ["patch"], { cwd: root, stdio: "pipe" })
    refused = spawnSync(bin("tsc"), ["-p", scratch], { cwd: scratch, encoding: "utf8" }).stdout
  }, 60_000)

  afterAll(() => rmSync(scratch, { recursive: true }))

  it.each(Object.entries(lint).filter(([, [rule]]) => rule !== undefined))("is refused by lint: %s", (path, [rule]) => {
    expect(found.get(path)).toEqual([rule])
  })

  it.each(Object.entries(lint).filter(([, [rule]]) => rule === undefined))("is not seen in %s", (path) => {
    expect(found.get(path)).toBeUndefined()
  })

  it.each(Object.keys(types))("is refused by tsc: %s", (rule) => {
    const own = refused.split("\n").filter((line) => line.startsWith(`src/resilience/${rule}.ts(`)).join("\n")
    expect(own).toContain(rule)
  })

  it("of src is no rule for tests", () => {
    expect(refused).toContain("src/")
    expect(refused.split("\n").filter((line) => line.startsWith("test/"))).toEqual([])
  })
})
