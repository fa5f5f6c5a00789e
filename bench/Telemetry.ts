/** What traces cost: the gateway with and without them beside each other, as differences in units of the bare proxy. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Candidate, gateway } from "./Candidates.ts"
import type { Row } from "./Statistics.ts"

/** The gateway that all others are held against. */
const off = "gateway openai-compatible"

/** The receiver is the upstream itself: it reads what it is sent, and says that all is well. */
const traced = (name: string, otlp: string): Candidate =>
  gateway("openai-compatible", {}, {
    name: `gateway ${name}`,
    more: (upstreamPort) => `  otlp: { endpoint: "http://127.0.0.1:${upstreamPort}", ${otlp} }\n`
  })

/** Highest cost that is still fine. */
const budgets: Readonly<Record<string, number>> = {
  "gateway native": 1,
  "gateway sdk protobuf": 1.5,
  "gateway sdk json": 1.5,
  "gateway native 1 %": 0.2,
  "gateway sdk 1 %": 0.2
}

export const telemetryCandidates: ReadonlyArray<Candidate> = [
  gateway("openai-compatible", {}),
  traced("native", "exporter: native"),
  traced("sdk protobuf", "exporter: sdk"),
  traced("sdk json", "exporter: sdk, protocol: http/json"),
  traced("native 1 %", "exporter: native, sample: 0.01"),
  traced("sdk 1 %", "exporter: sdk, sample: 0.01")
]

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Each traced candidate's cost, round by round over the one without traces. */
export const costs = (rows: ReadonlyArray<Row>): string => {
  const base = rows.find(({ candidate }) => candidate === off)?.ratios ?? []
  const lines = rows.flatMap(({ candidate, ratios }) => {
    const budget = budgets[candidate]
    if (budget === undefined) return []
    const cost = median(ratios.flatMap((ratio, at) => base[at] === undefined ? [] : [ratio - base[at]]))
    return [`| ${candidate} | ${cost.toFixed(2)} | ${budget} | ${cost <= budget ? "held" : "exceeded"} |`]
  })
  return ["| candidate | cost, x raw | budget | |", "| --- | --- | --- | --- |", ...lines].join("\n")
}

/** Writes the page of a run and answers its name. */
export const writeTelemetry = (folder: string, date: string, text: string): string => {
  const file = join(folder, `telemetry-${date.slice(0, 10)}.md`)
  writeFileSync(file, `# What traces cost, ${date}\n\n${text}\n`)
  return file
}
