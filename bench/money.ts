/**
 * What money costs, and the page of metrics, alone and warm: finding a price and taking it times the tokens is to take less than
 * {@link lookupGoalUs}, the page of 500 histograms less than {@link pageGoalUs}. `--time MS` a piece, `--check` fails above either.
 */
import { parseArgs } from "node:util"
import { Bench } from "tinybench"
import { makeBook } from "../src/accounting/Cost.ts"
import list from "../src/accounting/prices.json" with { type: "json" }
import type { Usage } from "../src/domain/Usage.ts"
import { table } from "../tools/markdown-table.ts"
import { metricsPieces } from "./MetricsPieces.ts"
import { machineLine, writePage } from "./Page.ts"

const { values: flags } = parseArgs({
  options: {
    time: { type: "string", default: "1000" },
    check: { type: "boolean", default: false },
    "no-write": { type: "boolean", default: false }
  }
})

/** Microseconds, of the median. */
const lookupGoalUs = 1
const pageGoalUs = 5000

const nowMs = Date.parse("2026-11-23T12:00:00Z")
const plain: Usage = { promptTokens: 1234, completionTokens: 567, totalTokens: 1801 }
const rich: Usage = {
  promptTokens: 300_000,
  completionTokens: 5000,
  totalTokens: 305_000,
  cachedTokens: 200_000,
  cacheWriteTokens: 4000,
  cacheWrite1hTokens: 1000,
  reasoningTokens: 3000
}

const models = list.rows.flatMap(({ ids, provider, versioned = [] }) =>
  [ids[0] ?? versioned[0] ?? ""].map((model) => ({ kind: provider, model }))
)
const own = { mine: { usdPerMtok: { input: "2", output: "8", cacheRead: "0.5" } } }
const book = makeBook([
  ...new Set(models.map(({ kind }) => kind)).values().map((kind) => ({ name: kind, kind })),
  { name: "own", kind: "openai", prices: own }
])

/** As many as one measurement takes, because the clock is coarser than one of them. */
const many = 1000
/** Nobody may leave out what is not looked at. */
let known = 0
let fresh = 0

const costs = (of: (at: number) => ReturnType<typeof book.costOf>) => () => {
  for (let at = 0; at < many; at++) if ("picoUsd" in of(at)) known++
}

/** What is remembered after that, so it is not what an answer costs. */
const once = "a name that was never seen before, found by its version"

const anyOf = (usage: Usage) => (at: number) => {
  const { kind, model } = models[at % models.length] ?? { kind: "", model: "" }
  return book.costOf(kind, model, usage, nowMs)
}

const pieces: Readonly<Record<string, () => void>> = {
  "one model of the list, again and again": costs(() => book.costOf("openai", "gpt-5.4", plain, nowMs)),
  "the same with cache, above the bound of its long context": costs(() =>
    book.costOf("openai", "gpt-5.4", rich, nowMs)
  ),
  "every model of the list in turn": costs(anyOf(plain)),
  "every model of the list in turn, with cache": costs(anyOf(rich)),
  "a service tier": costs(() => book.costOf("openai", "gpt-5.4", { ...plain, serviceTier: "flex" }, nowMs)),
  "a model that the file prices": costs(() => book.costOf("own", "mine", rich, nowMs)),
  "a model that nobody knows": costs(() => book.costOf("openai", "gpt-none", plain, nowMs)),
  [once]: costs(() => book.costOf("anthropic", `claude-sonnet-5-${20_000_000 + fresh++}`, plain, nowMs))
}

const page = "page of 500 histograms, 8,500 lines"
const bench = new Bench({ time: Number(flags.time), warmupTime: 300 })
for (const [name, work] of Object.entries(pieces)) bench.add(name, work)
bench.add(page, () => void metricsPieces[page]?.())
await bench.run()

const rows = bench.tasks.map(({ name, result }) => {
  if (result.state !== "completed") throw new Error(`${name}: ${result.state}`)
  const each = name === page ? 1 : many
  const [median, slow] = [result.latency.p50 * 1000 / each, result.latency.p99 * 1000 / each]
  const figures = [name, median.toFixed(3), slow.toFixed(3)]
  if (name === once) return [...figures, "", "then remembered"]
  const goal = name === page ? pageGoalUs : lookupGoalUs
  if (flags.check && median >= goal) process.exitCode = 1
  return [...figures, String(goal), median < goal ? "held" : "exceeded"]
})

const date = new Date().toISOString()
writePage(`money-${date.slice(0, 10)}.md`, flags["no-write"], [
  `# What money costs, and the page of metrics, ${date}`,
  "",
  machineLine(),
  "",
  `Microseconds of one, by the wall clock: of the price and the cost together, in turns of ${many}; of ${models.length} models in the list`,
  `each was asked for by its first name. Of all that was asked ${known} had a cost.`,
  "",
  table(["what", "median µs", "p99 µs, neighbours included", "goal, µs", ""], rows),
  ""
])
