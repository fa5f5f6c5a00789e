/**
 * What single pieces of the hot path cost, alone and warm: for comparing two versions of one piece, not for adding up to a
 * request (`npm run bench:load` measures that). A piece that is not built yet is named and skipped. `--time MS` a piece.
 */
import "effect/schema/SchemaJITCompiler/enable"
import * as Schema from "effect/Schema"
import { existsSync } from "node:fs"
import { parseArgs } from "node:util"
import { Bench } from "tinybench"
import { completion, requestBody, streamEvents } from "./Payload.ts"

type Work = () => unknown
type Exports = Readonly<Record<string, unknown>>

interface Piece {
  readonly name: string
  /** Module of the piece, relative to the root of the project. */
  readonly module: string
  /** The work of one round; undefined when the module does not export what it takes. */
  readonly work: (exports: Exports) => Work | undefined
}

const { values: flags } = parseArgs({ options: { time: { type: "string", default: "500" } } })

const text = requestBody("json")
const parsed: unknown = JSON.parse(text)
const frame = Buffer.from(streamEvents(false)[1] ?? "")

/** The first export among `names` that is a function. */
const pick = (
  exports: Exports,
  ...names: ReadonlyArray<string>
): ((...args: ReadonlyArray<unknown>) => unknown) | undefined => {
  const found = names.map((name) => exports[name]).find((value) => typeof value === "function")
  // Narrowed by the line above; the module is read by name, so its types are not known here.
  return found as ((...args: ReadonlyArray<unknown>) => unknown) | undefined
}

const pieces: ReadonlyArray<Piece> = [
  {
    name: "decode a chat request of 469 B by schema",
    module: "src/domain/Chat.ts",
    work: ({ ChatRequest }) => {
      if (!Schema.isSchema(ChatRequest)) return undefined
      // The request's schema needs no service, which a schema read by name cannot say.
      const decode = Schema.decodeUnknownExit(ChatRequest as Schema.Codec<unknown>)
      return () => decode(parsed)
    }
  },
  {
    name: "scan a request's text for its members",
    module: "src/validation/JsonText.ts",
    work: (exports) => {
      const scan = pick(exports, "scan", "read", "parse", "make")
      return scan && (() => scan(text))
    }
  },
  {
    name: "read one frame of a stream",
    module: "src/providers/Sse.ts",
    work: (exports) => {
      const make = pick(exports, "makeParser", "makeReader", "parser", "reader", "make")
      const parser = make?.()
      const feed = typeof parser === "function"
        ? parser
        : pick(Object(parser ?? {}), "push", "feed", "write", "read")?.bind(parser)
      return feed && (() => feed(frame))
    }
  },
  {
    name: "admit and record one call at a closed breaker",
    module: "src/resilience/CircuitBreaker.ts",
    work: (exports) => {
      const admit = pick(exports, "admit")
      const record = pick(exports, "record")
      const state = exports["initial"] ?? pick(exports, "initialState")?.()
      if (admit === undefined || record === undefined || state === undefined) return undefined
      return () => record(admit(state, 0), "success", 0)
    }
  }
]

/** The work of a piece, tried once; a string says why there is none. */
const load = async (piece: Piece): Promise<Work | string> => {
  const url = new URL(`../${piece.module}`, import.meta.url)
  if (!existsSync(url)) return `there is no ${piece.module}`
  try {
    const exports: Exports = await import(url.href)
    const work = piece.work(exports)
    if (work === undefined) return `${piece.module} exports ${Object.keys(exports).join(", ") || "types alone"}`
    work()
    return work
  } catch (cause) {
    return String(cause)
  }
}

const bench = new Bench({ time: Number(flags.time), warmupTime: 200 })
bench.add("JSON.parse of the same request, for scale", () => JSON.parse(text))
bench.add("JSON.parse of a completion of 652 B, for scale", () => JSON.parse(completion))
for (const piece of pieces) {
  const work = await load(piece)
  if (typeof work === "string") process.stdout.write(`skipped: ${piece.name}: ${work}\n`)
  else bench.add(piece.name, () => void work())
}
await bench.run()
const rows = bench.tasks.map(({ name, result }) =>
  result.state === "completed"
    ? { name, "median µs": (result.latency.p50 * 1000).toFixed(2), "±": `${result.latency.rme.toFixed(1)} %` }
    : { name, "median µs": result.state, "±": "" }
)
console.table(rows)
process.stdout.write(`node ${process.version}\n`)
