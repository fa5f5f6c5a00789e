/**
 * What it costs to judge a chat request of ten messages, beyond JSON.parse: the body as plain text of a conversation, and one with
 * tools and their results. `--time MS` a piece, `--print` writes no page, `--check` ends with 1 above {@link budgetUs}.
 */
import "effect/schema/SchemaJITCompiler/enable"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import { Bench } from "tinybench"
import { ChatRequest } from "../src/domain/Chat.ts"
import { checkChat } from "../src/server/ChatBody.ts"
import { defaultServerSettings } from "../src/server/ServerSettings.ts"
import { flawOf } from "../src/validation/Filename.ts"
import { scan } from "../src/validation/JsonText.ts"
import { flawOfShape } from "../src/validation/Limits.ts"
import { flawOfRouting } from "../src/validation/Routing.ts"
import { flawOfRequest } from "../src/validation/Rules.ts"
import { table } from "../tools/markdown-table.ts"
import { machineLine, writePage } from "./Page.ts"

const { values: flags } = parseArgs({
  options: {
    time: { type: "string", default: "1000" },
    print: { type: "boolean", default: false },
    check: { type: "boolean", default: false }
  }
})

/** Most microseconds that judging may take beyond JSON.parse. */
const budgetUs = 15

const words = "The breakwater takes the force out of every wave and lets ships lie still. ".repeat(4)
const plain = {
  model: "bench-model",
  messages: Array.from({ length: 10 }, (_, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content: words })),
  temperature: 0.7,
  max_tokens: 256,
  user: "caller-42",
  metadata: { trace: "abc", team: "harbour" }
}

const call = (id: string) => ({ id, type: "function", function: { name: "tide", arguments: "{\"place\":\"Brest\"}" } })
const tools = {
  ...plain,
  messages: Array.from({ length: 10 }, (_, at) => {
    const id = `call_${Math.floor(at / 3)}`
    return at % 3 === 0
      ? { role: "user", content: [{ type: "text", text: words }] }
      : at % 3 === 1
      ? { role: "assistant", content: null, tool_calls: [call(id)] }
      : { role: "tool", tool_call_id: id, content: words }
  }),
  tools: [{
    type: "function",
    function: { name: "tide", parameters: { type: "object", properties: { place: { type: "string" } } } }
  }],
  tool_choice: "auto"
}

const { limits, rules } = defaultServerSettings
const decode = Schema.decodeUnknownExit(ChatRequest)
const bench = new Bench({ time: Number(flags.time), warmupTime: 300 })
for (const [name, request] of Object.entries({ plain, tools })) {
  const text = JSON.stringify(request)
  const parsed: typeof request = JSON.parse(text)
  const source = scan(text)
  if ("message" in source || "_tag" in checkChat(text, limits, [], rules)) throw new Error(`${name} is refused`)
  bench.add(`${name}: JSON.parse, for scale`, () => void JSON.parse(text))
  bench.add(`${name}: whole check`, () => void checkChat(text, limits, [], rules))
  bench.add(`${name}: - shape`, () => void flawOfShape(parsed, limits))
  bench.add(`${name}: - members of the text`, () => void scan(text))
  bench.add(`${name}: - routing members`, () => void flawOfRouting(source.members.keys()))
  bench.add(`${name}: - schema`, () => void decode(parsed))
  // The same value that the check hands on after its schema.
  bench.add(`${name}: - rules`, () => void flawOfRequest(parsed as unknown as ChatRequest, limits, rules))
}
bench.add("a filename", () => void flawOf("quarterly report (final).pdf"))
await bench.run()

const pieces = bench.tasks.map(({ name, result }) => {
  if (result.state !== "completed") throw new Error(`${name}: ${result.state}`)
  return [name, (result.latency.p50 * 1000).toFixed(2)]
})

/** CPU microseconds of one run, in turns of this many. */
const turn = 500
const cpuOf = (work: () => unknown): number => {
  const before = process.cpuUsage()
  for (let run = 0; run < turn; run++) work()
  const { system, user } = process.cpuUsage(before)
  return (system + user) / turn
}

/** The least disturbed of many turns, both sides taking theirs by turns, for a busy neighbour only ever adds. */
const beyondParse = (text: string): number => {
  let parse = Number.POSITIVE_INFINITY
  let check = Number.POSITIVE_INFINITY
  for (let round = 0; round < 60; round++) {
    parse = Math.min(parse, cpuOf(() => JSON.parse(text)))
    check = Math.min(check, cpuOf(() => checkChat(text, limits, [], rules)))
  }
  return check - parse
}

const judged = Object.entries({ plain, tools }).map(([name, request]) => {
  const beyond = beyondParse(JSON.stringify(request))
  if (flags.check && beyond >= budgetUs) process.exitCode = 1
  return [name, beyond.toFixed(2), String(budgetUs), beyond < budgetUs ? "held" : "**exceeded**"]
})

const date = new Date().toISOString()
writePage(`validation-${date.slice(0, 10)}.md`, flags.print, [
  `# What judging a request of ten messages costs, ${date}`,
  "",
  machineLine(),
  "",
  "CPU beyond JSON.parse, the least disturbed of many turns:",
  "",
  table(["request", "µs of CPU", "goal, µs", ""], judged),
  "",
  "Its pieces, by the wall clock:",
  "",
  table(["piece", "median µs"], pieces),
  ""
])
