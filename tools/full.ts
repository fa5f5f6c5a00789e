/**
 * Every test with `BREAKWATER_FULL=1`, in pieces: the files that have more to do then one by one, the others by room. What each
 * came to stays in `.tmp/full/`, so that a run can be left and gone on with on the same commit; what an older one came to says
 * nothing and is run again. The page is `bench/results/full-<date>.md`. `node tools/full.ts [WORD ...]` runs files whose path has such a word, `--seconds N` begins nothing after so
 * long, `--again` forgets what is there, `--list` only says what is left, `--print` writes no page. Ends with 1 if a test failed,
 * with 2 if something is left to run.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { keepPage } from "../bench/Page.ts"
import { table } from "./markdown-table.ts"

const root = join(import.meta.dirname, "..")
const kept = join(root, ".tmp/full")

const { positionals: words, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "Infinity" },
    again: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    print: { type: "boolean", default: false }
  }
})

/** What of vitest's JSON report is read here. */
interface FileReport {
  readonly name: string
  readonly status: string
  readonly message: string
  readonly startTime: number
  readonly endTime: number
  readonly assertionResults: ReadonlyArray<{
    readonly fullName: string
    readonly status: string
    readonly failureMessages: ReadonlyArray<string>
  }>
}

/** What a file came to. */
interface Outcome {
  readonly file: string
  readonly commit: string
  readonly seconds: number
  readonly passed: number
  readonly skipped: ReadonlyArray<string>
  readonly failures: ReadonlyArray<{ readonly test: string; readonly message: string }>
}

const commit = execFileSync("git", ["describe", "--always", "--dirty"], { cwd: root, encoding: "utf8" }).trim()
const files = globSync("test/**/*.test.ts", { cwd: root }).toSorted()
// Either they ask for it themselves, or their generator does (`Seeded.ts`).
const hasMore = (file: string): boolean => /BREAKWATER_FULL|\bruns\(\d/.test(readFileSync(join(root, file), "utf8"))
const full = new Set(files.filter(hasMore))

const placeOf = (file: string): string => join(kept, `${file.replaceAll("/", "_")}.json`)
const outcomeOf = (file: string): Outcome | undefined => {
  if (!existsSync(placeOf(file))) return undefined
  const outcome: Outcome = JSON.parse(readFileSync(placeOf(file), "utf8"))
  return outcome.commit === commit ? outcome : undefined
}

const firstLine = (text: string): string => text.split("\n")[0] ?? ""

const read = ({ assertionResults, endTime, message, name, startTime, status }: FileReport): Outcome => {
  const failed = assertionResults.filter((one) => one.status === "failed")
  const failures = failed.map((one) => ({ test: one.fullName, message: firstLine(one.failureMessages[0] ?? "") }))
  return {
    file: name.slice(root.length + 1),
    commit,
    seconds: Math.max(0, endTime - startTime) / 1000,
    passed: assertionResults.filter((one) => one.status === "passed").length,
    skipped: assertionResults.filter((one) => one.status !== "passed" && one.status !== "failed")
      .map((one) => one.fullName),
    // A file that could not be loaded, or whose hooks failed, has no test to blame.
    failures: status === "failed" && failures.length === 0 ? [{ test: "", message: firstLine(message) }] : failures
  }
}

/** Runs these files and keeps what they came to; a file of which nothing is reported has failed. */
const run = (piece: ReadonlyArray<string>): ReadonlyArray<Outcome> => {
  const report = join(kept, "report.json")
  rmSync(report, { force: true })
  const { status } = spawnSync(
    join(root, "node_modules/.bin/vitest"),
    ["run", "--reporter=json", `--outputFile=${report}`, ...piece],
    { cwd: root, env: { ...process.env, BREAKWATER_FULL: "1" }, stdio: ["ignore", "ignore", "inherit"] }
  )
  const reports: ReadonlyArray<FileReport> = existsSync(report)
    ? JSON.parse(readFileSync(report, "utf8")).testResults
    : []
  const outcomes = reports.map(read)
  const silent = piece.filter((file) => !outcomes.some((one) => one.file === file)).map((file): Outcome => ({
    file,
    commit,
    seconds: 0,
    passed: 0,
    skipped: [],
    failures: [{ test: "", message: `nothing was reported; vitest ended with ${status}` }]
  }))
  for (const one of [...outcomes, ...silent]) writeFileSync(placeOf(one.file), JSON.stringify(one))
  return [...outcomes, ...silent]
}

const rooms = Map.groupBy(files.filter((file) => !full.has(file)), (file) => dirname(file))
const pieces = [...rooms.values(), ...[...full].map((file) => [file])]
const isWanted = (file: string): boolean => words.length === 0 || words.some((word) => file.includes(word))
const wanted = pieces.map((piece) => piece.filter(isWanted)).filter((piece) => piece.length > 0)

mkdirSync(kept, { recursive: true })
if (flags.again) { for (const file of wanted.flat()) rmSync(placeOf(file), { force: true }) }
const left = wanted.map((piece) => piece.filter((file) => outcomeOf(file) === undefined))
  .filter((piece) => piece.length > 0)

if (flags.list) {
  for (const piece of left) console.log(piece.join("\n"))
  process.exit(left.length === 0 ? 0 : 2)
}

const beganAt = performance.now()
for (const [at, piece] of left.entries()) {
  if ((performance.now() - beganAt) / 1000 >= Number(flags.seconds)) break
  const [first = ""] = piece
  process.stdout.write(
    `${at + 1}/${left.length} ${piece.length === 1 ? first : `${dirname(first)}: ${piece.length}`} … `
  )
  const pieceAt = performance.now()
  const outcomes = run(piece)
  const failures = outcomes.flatMap((one) => one.failures)
  const passed = outcomes.reduce((sum, one) => sum + one.passed, 0)
  const seconds = ((performance.now() - pieceAt) / 1000).toFixed(1)
  console.log(`${passed} passed, ${failures.length} failed, ${seconds} s`)
  for (const { message, test } of failures) console.log(`  ${test}: ${message}`)
}

const done = files.map(outcomeOf).filter((one) => one !== undefined)
const open = files.filter((file) => outcomeOf(file) === undefined)
const failures = done.flatMap((one) => one.failures.map((failure) => ({ ...failure, file: one.file })))
const sum = (of: (one: Outcome) => number): number => done.reduce((total, one) => total + of(one), 0)
const row = (name: string, some: ReadonlyArray<Outcome>): ReadonlyArray<string> => [
  name,
  String(some.reduce((total, one) => total + one.passed, 0)),
  String(some.reduce((total, one) => total + one.skipped.length, 0)),
  String(some.reduce((total, one) => total + one.failures.length, 0)),
  some.reduce((total, one) => total + one.seconds, 0).toFixed(1)
]
const head = ["", "Passed", "Skipped", "Failed", "Seconds"]
const date = new Date().toISOString().slice(0, 10)
const page = [
  `# Every test in full, ${date}`,
  "",
  "`node tools/full.ts`: `BREAKWATER_FULL=1`, in pieces; a file's seconds are its own, without the start of its process.",
  "",
  `${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} cores, node ${process.version}, commit ${commit}.`,
  "",
  `**${sum((one) => one.passed)} passed, ${sum((one) => one.skipped.length)} skipped, ${failures.length} failed, ` +
  `in ${done.length} of ${files.length} files.**`,
  "",
  "## Files that have more to do in full",
  "",
  table(head, done.filter(({ file }) => full.has(file)).map((one) => row(one.file, [one]))),
  "",
  "## The others, by room",
  "",
  table(
    head,
    [...Map.groupBy(done.filter(({ file }) => !full.has(file)), ({ file }) => dirname(file))]
      .map(([room, some]) => row(`${room} (${some.length})`, some))
  ),
  "",
  "## Failed",
  "",
  failures.length === 0 ? "Nothing." : table(
    ["File", "Test", "First line"],
    failures.map(({ file, message, test }) => [file, test, message.slice(0, 160)])
  ),
  "",
  "## Skipped",
  "",
  sum((one) => one.skipped.length) === 0
    ? "Nothing."
    : table(["File", "Test"], done.flatMap(({ file, skipped }) => skipped.map((test) => [file, test]))),
  "",
  "## Not run yet",
  "",
  open.length === 0 ? "Nothing." : open.map((file) => `- ${file}`).join("\n"),
  ""
].join("\n")
if (!flags.print) keepPage(`full-${date}.md`, page)
console.log(`${failures.length} failed; ${open.length} of ${files.length} files are left to run.`)
process.exitCode = failures.length > 0 ? 1 : open.length > 0 ? 2 : 0
