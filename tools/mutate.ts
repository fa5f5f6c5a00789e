/**
 * Mutation tests of the modules that decide: each module's mutants against that module's own tests, by Stryker. Writes
 * `bench/results/mutation-<date>.md`. `node tools/mutate.ts [MODULE ...]` runs some of them, `--print` writes no file,
 * `--reuse` reads the reports of earlier runs where there are any. `--lines 1-80` runs these lines of one module and prints what
 * survived; once every declaration of it is in such a piece, `--reuse` reads them as one.
 *
 * A survivor is a missing test, or it cannot be killed; then `tools/survivors.json` says why, by the mutated text.
 */
import { execFileSync } from "node:child_process"
import { existsSync, globSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { keepPage } from "../bench/Page.ts"
import { table } from "./markdown-table.ts"

const root = join(import.meta.dirname, "..")

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    print: { type: "boolean", default: false },
    reuse: { type: "boolean", default: false },
    lines: { type: "string" }
  }
})

/** Module → the tests that must notice a change of it. */
const modules: Readonly<Record<string, ReadonlyArray<string>>> = {
  "src/resilience/CircuitBreaker.ts": ["test/resilience/CircuitBreaker.test.ts"],
  "src/resilience/BreakerMachine.ts": ["test/resilience/BreakerMachine.test.ts"],
  "src/resilience/SlidingWindow.ts": ["test/resilience/SlidingWindow.test.ts"],
  "src/resilience/Cooldown.ts": ["test/resilience/Cooldown.test.ts"],
  "src/resilience/RetryBudget.ts": ["test/resilience/Retry.test.ts"],
  "src/resilience/Classification.ts": ["test/resilience/Classification.test.ts"],
  "src/providers/ProviderError.ts": ["test/providers/ProviderError.test.ts"]
}

interface Position {
  readonly line: number
  readonly column: number
}

/** What of Stryker's report (mutation-testing-report-schema) is read here. */
interface Mutant {
  readonly mutatorName: string
  readonly replacement?: string
  readonly status: string
  readonly location: { readonly start: Position; readonly end: Position }
}

interface Survivor {
  readonly module: string
  readonly line: number
  readonly original: string
  readonly replacement: string
  readonly reason: string | undefined
}

interface Score {
  readonly module: string
  readonly mutants: number
  readonly killed: number
  readonly survivors: ReadonlyArray<Survivor>
}

/** Why a mutant cannot be killed, by `module: original → replacement` or `module: line: original → replacement`. */
const reasons: Readonly<Record<string, string>> = JSON.parse(readFileSync(join(root, "tools/survivors.json"), "utf8"))

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

const between = (source: string, { end, start }: Mutant["location"]): string => {
  const lines = source.split("\n").slice(start.line - 1, end.line)
  const last = lines.length - 1
  return lines.map((line, at) => line.slice(at === 0 ? start.column - 1 : 0, at === last ? end.column - 1 : undefined))
    .join("\n")
}

const textOf = (module: string): string => readFileSync(join(root, module), "utf8")

// The whole report of each run stays, for whoever wants to see which test killed what.
const reportOf = (module: string, lines?: string): string =>
  join(root, `.tmp/mutation-${module.split("/").at(-1)}${lines === undefined ? "" : `.${lines}`}.json`)

const run = (module: string, lines?: string): void => {
  const mutated = lines === undefined ? module : `${module}:${lines}`
  execFileSync(join(root, "node_modules/.bin/stryker"), ["run", "--mutate", mutated], {
    cwd: root,
    env: { ...process.env, BREAKWATER_MUTATION_TESTS: (modules[module] ?? []).join(",") },
    stdio: ["ignore", 2, 2]
  })
  renameSync(join(root, ".tmp/mutation.json"), reportOf(module, lines))
}

/** The mutants of a report, if it is of the module as it stands. */
const mutantsIn = (module: string, file: string): ReadonlyArray<Mutant> | undefined => {
  if (!existsSync(file)) return undefined
  const report: { files: Record<string, { source: string; mutants: ReadonlyArray<Mutant> }> } = JSON.parse(
    readFileSync(file, "utf8")
  )
  const { mutants = [], source } = report.files[module] ?? {}
  return source === textOf(module) ? mutants : undefined
}

/** First and last lines of the declarations of a module, each with the blank line after it; no mutant goes beyond one. */
const declarationsOf = (source: string): ReadonlyArray<readonly [from: number, to: number]> => {
  const lines = source.trimEnd().split("\n")
  const starts = [
    0,
    ...lines.keys().filter((at) => at > 0 && lines[at - 1] === "" && /^[^\s})\]]/.test(lines[at] ?? ""))
  ]
  return starts.map((start, index) => [start + 1, starts[index + 1] ?? lines.length])
}

/** The mutants of reports that were made piece by piece, if every declaration of the module as it stands is in one of them. */
const mutantsInPieces = (module: string): ReadonlyArray<Mutant> | undefined => {
  const pieces = globSync(reportOf(module, "*-*")).flatMap((file) => {
    const [from = 0, to = 0] = file.split(".").at(-2)?.split("-").map(Number) ?? []
    const mutants = mutantsIn(module, file)
    return mutants === undefined ? [] : [{ from, to, mutants }]
  })
  const isInOne = ([from, to]: readonly [number, number]): boolean =>
    pieces.some((piece) => piece.from <= from && to <= piece.to)
  if (!declarationsOf(textOf(module)).every(isInOne)) return undefined
  // Pieces may overlap.
  return [...new Map(pieces.flatMap(({ mutants }) => mutants).map((one) => [keyOf(one), one])).values()]
}

const keyOf = ({ location, mutatorName, replacement }: Mutant): string =>
  JSON.stringify([location, mutatorName, replacement])

const mutantsOf = (module: string): ReadonlyArray<Mutant> => {
  if (flags.lines !== undefined) {
    run(module, flags.lines)
    return mutantsIn(module, reportOf(module, flags.lines)) ?? []
  }
  const known = flags.reuse ? mutantsIn(module, reportOf(module)) ?? mutantsInPieces(module) : undefined
  if (known !== undefined) return known
  run(module)
  return mutantsIn(module, reportOf(module)) ?? []
}

const scoreOf = (module: string): Score => {
  const source = textOf(module)
  const mutants = mutantsOf(module)
  const counted = mutants.filter(({ status }) => status !== "CompileError" && status !== "Ignored")
  const isKilled = ({ status }: Mutant) => status === "Killed" || status === "Timeout" || status === "RuntimeError"
  const survivors = counted.filter((mutant) => !isKilled(mutant)).map((mutant): Survivor => {
    const original = oneLine(between(source, mutant.location))
    const replacement = oneLine(mutant.replacement ?? "")
    const change = `${original} → ${replacement}`
    const line = oneLine(source.split("\n")[mutant.location.start.line - 1] ?? "")
    // The same change may stand in two lines; then the reason names its line.
    const reason = reasons[`${module}: ${change}`] ?? reasons[`${module}: ${line}: ${change}`]
    return { module, line: mutant.location.start.line, original, replacement, reason }
  })
  return { module, mutants: counted.length, killed: counted.filter(isKilled).length, survivors }
}

const short = (text: string): string => {
  const cut = text.length > 90 ? `${text.slice(0, 89)}…` : text
  return `\`${cut.replaceAll("`", "'")}\``
}

const percent = ({ killed, mutants, survivors }: Score): string => {
  const excused = survivors.filter(({ reason }) => reason !== undefined).length
  return `${(100 * killed / Math.max(1, mutants - excused)).toFixed(1)} %`
}

const pageOf = (date: string, scores: ReadonlyArray<Score>): string => {
  const survivors = scores.flatMap((score) => score.survivors)
  const open = survivors.filter(({ reason }) => reason === undefined)
  const excused = survivors.filter(({ reason }) => reason !== undefined)
  const where = ({ line, module }: Survivor) => `${module.split("/").at(-1)}:${line}`
  return [
    `# Mutation tests, ${date}`,
    "",
    "`npm run mutate`: Stryker 10, each module against its own tests. Killed counts time-outs; the share is of those that can be killed.",
    "",
    table(
      ["Module", "Mutants", "Killed", "Cannot be killed", "To do", "Share"],
      scores.map((score) => [
        score.module,
        String(score.mutants),
        String(score.killed),
        String(score.survivors.filter(({ reason }) => reason !== undefined).length),
        String(score.survivors.filter(({ reason }) => reason === undefined).length),
        percent(score)
      ])
    ),
    "",
    "## Survivors that want a test",
    "",
    open.length === 0 ? "None." : table(
      ["Where", "Text", "Survives as"],
      open.map((one) => [where(one), short(one.original), short(one.replacement)])
    ),
    "",
    "## Survivors that no test can tell from the original",
    "",
    excused.length === 0 ? "None." : table(
      ["Where", "Text", "Survives as", "Why"],
      excused.map((one) => [where(one), short(one.original), short(one.replacement), one.reason ?? ""])
    ),
    ""
  ].join("\n")
}

const wanted = Object.keys(modules).filter((module) =>
  positionals.length === 0 || positionals.some((word) => module.includes(word))
)
const date = new Date().toISOString().slice(0, 10)
const page = pageOf(date, wanted.map(scoreOf))
process.stdout.write(page)
if (!flags.print && flags.lines === undefined) keepPage(`mutation-${date}.md`, page)
