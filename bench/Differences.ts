/** What a part of the gateway costs: with and without it beside each other, as differences in units of the bare proxy. */
import { join } from "node:path"
import { type Candidate, gateway, guarded } from "./Candidates.ts"
import { keepPage, machineLine } from "./Page.ts"
import type { Row } from "./Statistics.ts"

export interface Study {
  /** Of the page, and of its file. */
  readonly title: string
  readonly file: string
  readonly candidates: ReadonlyArray<Candidate>
  /** The candidate that all others are held against. */
  readonly off: string
  /** Highest cost that is still fine, by candidate. */
  readonly budgets: Readonly<Record<string, number>>
}

/** The receiver is the upstream itself: it reads what it is sent, and says that all is well. */
const traced = (name: string, otlp: string): Candidate =>
  gateway("openai-compatible", {}, {
    name: `gateway ${name}`,
    more: (upstreamPort) => `  otlp: { endpoint: "http://127.0.0.1:${upstreamPort}", ${otlp} }\n`
  })

const telemetry: Study = {
  title: "What traces cost",
  file: "telemetry",
  candidates: [
    gateway("openai-compatible", {}),
    traced("native", "exporter: native"),
    traced("sdk protobuf", "exporter: sdk"),
    traced("sdk json", "exporter: sdk, protocol: http/json"),
    traced("native 1 %", "exporter: native, sample: 0.01"),
    traced("sdk 1 %", "exporter: sdk, sample: 0.01")
  ],
  off: "gateway openai-compatible",
  budgets: {
    "gateway native": 1,
    "gateway sdk protobuf": 1.5,
    "gateway sdk json": 1.5,
    "gateway native 1 %": 0.2,
    "gateway sdk 1 %": 0.2
  }
}

/** The line of a request at `info` or not written, and the ledger in a file or in memory. */
const booked = (name: string, level: "info" | "warn", isInFile: boolean): Candidate =>
  gateway("openai-compatible", {}, {
    name: `gateway ${name}`,
    level,
    more: (_, folder) =>
      isInFile ? `storage:\n  sql: "sqlite:${join(folder, `${name.replace(/\W+/g, "-")}.db`)}"\n` : ""
  })

const books: Study = {
  title: "What the log and the ledger cost",
  file: "books",
  candidates: [
    booked("without", "warn", false),
    booked("log", "info", false),
    booked("ledger", "warn", true),
    booked("log and ledger", "info", true)
  ],
  off: "gateway without",
  budgets: { "gateway log": 0.3, "gateway ledger": 0.3, "gateway log and ledger": 0.3 }
}

/** Part by part; the budget of all of it together is that of the load bench. */
const guards: Study = {
  title: "What keys, limits and budgets cost",
  file: "guards",
  candidates: [
    gateway("openai-compatible", {}),
    gateway("openai-compatible", {}, guarded("keys", false, false)),
    gateway("openai-compatible", {}, guarded("keys and limits", true, false)),
    gateway("openai-compatible", {}, guarded("keys and budgets", false, true)),
    gateway("openai-compatible", {}, guarded("keys, limits and budgets", true, true))
  ],
  off: "gateway openai-compatible",
  budgets: {
    "gateway with keys": 0.2,
    "gateway with keys and limits": 0.4,
    "gateway with keys and budgets": 0.4,
    "gateway with keys, limits and budgets": 0.4
  }
}

export const studies = { telemetry, books, guards } as const

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Each candidate's cost, round by round over the one without the part. */
export const costs = ({ budgets, off }: Study, rows: ReadonlyArray<Row>): string => {
  const base = rows.find(({ candidate }) => candidate === off)?.ratios ?? []
  const lines = rows.flatMap(({ candidate, ratios }) => {
    const budget = budgets[candidate]
    if (budget === undefined) return []
    const cost = median(ratios.flatMap((ratio, at) => base[at] === undefined ? [] : [ratio - base[at]]))
    return [`| ${candidate} | ${cost.toFixed(2)} | ${budget} | ${cost <= budget ? "held" : "exceeded"} |`]
  })
  return ["| candidate | cost, x raw | budget | |", "| --- | --- | --- | --- |", ...lines].join("\n")
}

const method =
  `JSON over 64 connections, 1,000 requests a second for every candidate: at full speed a slower one lets the load sleep more often, and on a
virtual machine each of its writes then pays for waking another core. A cost is the median over the rounds of the difference to the gateway without the
part, in units of the bare proxy at the same pace.`

/** Writes the page of a run and answers its name. */
export const writeCosts = ({ file, title }: Study, folder: string, date: string, text: string): string =>
  keepPage(
    `${file}-${date.slice(0, 10)}.md`,
    `# ${title}, ${date}\n\n${method}\n\n${machineLine()}\n\n${text}\n`,
    folder
  )
