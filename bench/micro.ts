/**
 * What single pieces of the hot path cost, alone and warm: for comparing two versions of one piece, not for adding up to a
 * request (`npm run bench:load` measures that). `--time MS` a piece.
 */
import "effect/schema/SchemaJITCompiler/enable"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import { Bench } from "tinybench"
import { ChatRequest } from "../src/domain/Chat.ts"
import * as OpenAiChat from "../src/providers/protocols/OpenAiChat.ts"
import { ChatStream } from "../src/providers/protocols/OpenAiChatStream.ts"
import type { Frame } from "../src/providers/Provider.ts"
import { SseParser } from "../src/providers/Sse.ts"
import { step } from "../src/resilience/BreakerMachine.ts"
import { initial } from "../src/resilience/BreakerState.ts"
import * as CircuitBreaker from "../src/resilience/CircuitBreaker.ts"
import * as JsonText from "../src/validation/JsonText.ts"
import { metricsPieces } from "./MetricsPieces.ts"
import { completion, requestBody, streamEvents } from "./Payload.ts"

const { values: flags } = parseArgs({ options: { time: { type: "string", default: "500" } } })

const text = requestBody("json")
const parsed: unknown = JSON.parse(text)
const frame = Buffer.from(streamEvents(false)[1] ?? "")
const decode = Schema.decodeUnknownExit(ChatRequest)
const fallback = { id: "chatcmpl-bench", created: 1, model: "bench", nowMs: 0 }
const settings = CircuitBreaker.defaultBreakerSettings
const closed = initial(0)
const breaker = Effect.runSync(CircuitBreaker.make(settings))
const call = Effect.flatMap(
  breaker.admit(),
  (decision) => decision._tag === "Permit" ? breaker.record(decision, { _tag: "Success" }) : Effect.die("refused")
)
const calls = 1000
const thousand = Effect.gen(function*() {
  for (let index = 0; index < calls; index++) yield* call
})
const parser = new SseParser()
const machine = new ChatStream({ includeUsage: false, fallback })

const pieces: Readonly<Record<string, () => unknown>> = {
  "JSON.parse of the same request, for scale": () => JSON.parse(text),
  "JSON.parse of a completion of 652 B, for scale": () => JSON.parse(completion),
  "decode a chat request of 469 B by schema": () => decode(parsed),
  "scan a request's text for its members": () => JsonText.scan(text),
  "read and check a completion of 652 B": () => OpenAiChat.readAnswer(completion, fallback),
  "read and check one frame of a stream": () => {
    const out: Array<Frame> = []
    for (const event of parser.push(frame)) machine.next(event, out)
    return out
  },
  "pure step of a closed breaker": () => step(settings, closed, { _tag: "Admit", nowMs: 1, jitter: 0 }),
  "1000 calls through a closed breaker": () => Effect.runSync(thousand),
  ...metricsPieces
}

const bench = new Bench({ time: Number(flags.time), warmupTime: 200 })
for (const [name, work] of Object.entries(pieces)) bench.add(name, () => void work())
await bench.run()
const rows = bench.tasks.map(({ name, result }) =>
  result.state === "completed"
    ? { name, "median µs": (result.latency.p50 * 1000).toFixed(2), "±": `${result.latency.rme.toFixed(1)} %` }
    : { name, "median µs": result.state, "±": "" }
)
console.table(rows)
process.stdout.write(`node ${process.version}\n`)
