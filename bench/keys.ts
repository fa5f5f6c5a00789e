/**
 * What the judgement of a client's key costs, alone and warm, among 1, 1,000 and 100,000 keys, for a key that is known and one that
 * is not. `node bench/keys.ts`; `--time MS` a piece, `--print` writes no page, `--check` ends with 1 above {@link goalUs}.
 */
import * as Redacted from "effect/Redacted"
import { parseArgs } from "node:util"
import { Bench } from "tinybench"
import * as Keys from "../src/admission/Keys.ts"
import { makeId, makeText } from "../src/admission/KeyText.ts"
import { judgeClient } from "../src/server/Authorization.ts"
import { table } from "../tools/markdown-table.ts"
import { machineLine, writePage } from "./Page.ts"

const { values: flags } = parseArgs({
  options: {
    time: { type: "string", default: "500" },
    print: { type: "boolean", default: false },
    check: { type: "boolean", default: false }
  }
})

/** Most microseconds that a key may take, as a median. */
const goalUs = 5

const bench = new Bench({ time: Number(flags.time), warmupTime: 200 })
for (const count of [1, 1000, 100_000]) {
  const texts = Array.from({ length: count }, () => makeText(makeId()))
  const { keys } = Keys.makeRegistry(texts.map((text, at) => ({ name: `key-${at}`, key: Redacted.make(text) })))
  let next = 0
  const headers = texts.map((text) => ({ authorization: `Bearer ${text}` }))
  const stranger = { authorization: `Bearer ${makeText(makeId())}` }
  bench.add(`a known key of ${count}`, () => void judgeClient(keys, headers[next++ % count] ?? {}, 1))
  bench.add(`a stranger among ${count}`, () => void judgeClient(keys, stranger, 1))
}
const open = Keys.makeRegistry([]).keys
bench.add("an open door", () => void judgeClient(open, {}, 1))

await bench.run()
const rows = bench.tasks.map(({ name, result }) => {
  if (result.state !== "completed") throw new Error(`${name}: ${result.state}`)
  const median = result.latency.p50 * 1000
  if (flags.check && median >= goalUs) process.exitCode = 1
  const verdict = median < goalUs ? "held" : "**exceeded**"
  return [name, median.toFixed(2), (result.latency.p99 * 1000).toFixed(2), String(goalUs), verdict]
})

const date = new Date().toISOString()
writePage(`keys-${date.slice(0, 10)}.md`, flags.print, [
  `# What the judgement of a client's key costs, ${date}`,
  "",
  machineLine(),
  "",
  "From the headers of a request to its key's record or the refusal, by the wall clock, warm and alone.",
  "",
  table(["what", "median µs", "p99 µs, neighbours included", "goal, µs", ""], rows),
  ""
])
