/**
 * What the judgement of a client's key costs, alone and warm, among 1, 1,000 and 100,000 keys, for a key that is known and one that
 * is not. Run with `node bench/keys.ts`; `--time MS` a piece.
 */
import * as Redacted from "effect/Redacted"
import { parseArgs } from "node:util"
import { Bench } from "tinybench"
import * as Keys from "../src/admission/Keys.ts"
import { makeId, makeText } from "../src/admission/KeyText.ts"
import { judgeClient } from "../src/server/Authorization.ts"
import { defaultServerSettings } from "../src/server/ServerSettings.ts"

const { values: flags } = parseArgs({ options: { time: { type: "string", default: "500" } } })

const bench = new Bench({ time: Number(flags.time), warmupTime: 200 })
for (const count of [1, 1000, 100_000]) {
  const texts = Array.from({ length: count }, () => makeText(makeId()))
  const { keys } = Keys.makeRegistry(texts.map((text, at) => ({ name: `key-${at}`, key: Redacted.make(text) })))
  const lock = { keys, settings: defaultServerSettings }
  let next = 0
  const headers = texts.map((text) => ({ authorization: `Bearer ${text}` }))
  const stranger = { authorization: `Bearer ${makeText(makeId())}` }
  bench.add(`a known key of ${count}`, () => void judgeClient(lock, headers[next++ % count] ?? {}, 1))
  bench.add(`a stranger among ${count}`, () => void judgeClient(lock, stranger, 1))
}
const open = { keys: Keys.makeRegistry([]).keys, settings: defaultServerSettings }
bench.add("an open door", () => void judgeClient(open, { host: "127.0.0.1:8000" }, 1))

await bench.run()
console.table(bench.tasks.map(({ name, result }) =>
  result.state === "completed"
    ? {
      name,
      "median µs": (result.latency.p50 * 1000).toFixed(2),
      "p99 µs": (result.latency.p99 * 1000).toFixed(2),
      "±": `${result.latency.rme.toFixed(1)} %`
    }
    : { name, "median µs": result.state, "p99 µs": "", "±": "" }
))
process.stdout.write(`node ${process.version}\n`)
