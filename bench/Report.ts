/** What the load bench says: tables for the terminal and for `results/`, with the machine named. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { cpus, release, totalmem } from "node:os"
import { pinned } from "./Children.ts"
import { keepPage } from "./Page.ts"
import type { Row, Scenario, Spread } from "./Statistics.ts"

export interface Report {
  readonly date: string
  readonly machine: Readonly<Record<string, string | number | boolean>>
  readonly method: { readonly rounds: number; readonly sliceMs: number; readonly quick: boolean }
  readonly scenarios: ReadonlyArray<{ readonly scenario: Scenario; readonly rows: ReadonlyArray<Row> }>
  /** Candidates that could not be measured, and why. */
  readonly missing: ReadonlyArray<string>
}

const versionOf = (name: string): string => {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { version: string }
  return manifest.version
}

const commit = (): string => {
  try {
    const options = { cwd: import.meta.dirname, encoding: "utf8", stdio: "pipe" } as const
    return execFileSync("git", ["describe", "--always", "--dirty"], options).trim()
  } catch {
    return "unknown"
  }
}

export const machine = (): Report["machine"] => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
  effect: versionOf("effect"),
  undici: versionOf("undici"),
  commit: commit(),
  pinned
})

const fixed = (value: number, digits: number): string => Number.isFinite(value) ? value.toFixed(digits) : "-"
const percent = (value: number): string => Number.isFinite(value) ? `${Math.round(value * 100)} %` : "-"
const range = (spread: Spread | undefined): string =>
  spread === undefined ? "-" : `${fixed(spread.min, 2)}–${fixed(spread.max, 2)}`
const verdict = (row: Row): string => {
  if (row.budget === undefined) return ""
  if (row.passed === true) return `≤ ${row.budget} pass`
  return row.badAnswers > 0 ? `≤ ${row.budget} FAIL (bad answers)` : `≤ ${row.budget} FAIL`
}

const heading = (unit: string): ReadonlyArray<string> => [
  "candidate",
  "CPU x raw",
  "min–max",
  "budget",
  `µs/${unit}`,
  `${unit}s/s`,
  "p50 ms",
  "p99 ms",
  "core 0",
  "core 1",
  "socket errors",
  "bad answers"
]

const cells = (row: Row): ReadonlyArray<string> => [
  row.candidate,
  row.ratio === undefined ? "-" : fixed(row.ratio.median, 2),
  range(row.ratio),
  verdict(row),
  row.micros === undefined ? "-" : fixed(row.micros.median, 1),
  fixed(row.perSecond, 0),
  fixed(row.p50, 1),
  fixed(row.p99, 1),
  percent(row.candidateBusy),
  percent(row.loadBusy),
  String(row.socketErrors),
  String(row.badAnswers)
]

/** A Markdown table whose columns also line up in a terminal. */
export const table = (lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const [head = []] = lines
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)))
  const line = (texts: ReadonlyArray<string>): string =>
    `| ${widths.map((width, column) => (texts[column] ?? "").padEnd(width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...lines.slice(1).map(line)].join("\n")
}

export const scenarioTable = (scenario: Scenario, rows: ReadonlyArray<Row>): string => {
  const complaints = rows.flatMap((row) => row.complaints.map((text) => `- ${row.candidate}: ${text}`))
  const body = table([heading(scenario.unit), ...rows.map(cells)])
  return complaints.length === 0 ? body : `${body}\n\n${complaints.join("\n")}`
}

const markdown = (report: Report): string => {
  const facts = Object.entries(report.machine).map(([name, value]) => `${name} ${value}`).join(", ")
  const { quick, rounds, sliceMs } = report.method
  return [
    `# Load, ${report.date}`,
    `${facts}. ${rounds} rounds of ${sliceMs} ms a candidate${
      quick ? " (a quick run: for a first impression only)" : ""
    }.`,
    "CPU of the gateway's process a request or frame, in units of a bare `node:http` + undici proxy measured in the same round;\n" +
    "median over the rounds. That proxy takes two turns a round, and their mean is the unit; the distance of `raw again` from `raw` is the\n" +
    "noise. Absolute µs, rates and latencies carry the host's speed of the day and are for information. A core at 100 % is the limit of that row.",
    ...report.scenarios.map(({ rows, scenario }) => `## ${scenario.title}\n\n${scenarioTable(scenario, rows)}`),
    ...(report.missing.length === 0
      ? []
      : [`## Not measured\n\n${report.missing.map((text) => `- ${text}`).join("\n")}`]),
    ""
  ].join("\n\n").replace(/\n+$/, "\n")
}

/** Writes `load-<date>.json` and `.md` into `folder` and returns their paths; a quick run has names of its own. */
export const write = (report: Report, folder: string): ReadonlyArray<string> => {
  const stem = `load-${report.date.slice(0, 10)}${report.method.quick ? "-quick" : ""}`
  return [
    keepPage(`${stem}.json`, `${JSON.stringify(report, null, 2)}\n`, folder),
    keepPage(`${stem}.md`, markdown(report), folder)
  ]
}
