/**
 * One upstream on loopback that speaks every dialect, as strict as the real ones where callers stumble: keys, turns that fit
 * together, state that came from itself. What its model says is the test's to write, once for all dialects.
 */
import { type Asked, start as startServer, type Told } from "../exchanges/CloudUpstream.ts"
import * as Anthropic from "./Anthropic.ts"
import * as Bedrock from "./Bedrock.ts"
import * as Gemini from "./Gemini.ts"
import { faultOf, type Meaning, type Saying, type Trouble } from "./Meaning.ts"
import * as OpenAi from "./OpenAi.ts"

export type DialectName = "openai" | "anthropic" | "gemini" | "bedrock"

interface Speaker {
  readonly read: (body: any) => Meaning // JSON of the dialect, as it came
  readonly speak: (said: Saying, model: string, stream: boolean) => Told
  readonly fail: (trouble: Trouble, model: string) => Told
}

export const speakers: Readonly<Record<DialectName, Speaker>> = {
  openai: OpenAi,
  anthropic: Anthropic,
  gemini: Gemini,
  bedrock: Bedrock
}

/** A request as it was understood. */
export interface Heard {
  readonly dialect: DialectName
  readonly model: string
  readonly stream: boolean
  readonly meaning: Meaning
  readonly asked: Asked
}

/** The only credential that it takes. */
export const goodKey = "good-key"

/** The states that it gives out, and takes back; another's are refused. */
export const states: Readonly<Record<DialectName, string>> = {
  openai: "none",
  anthropic: "c2lnbmVkLWJ5LWFudGhyb3BpYw==",
  gemini: "c2lnbmVkLWJ5LWdlbWluaQ==",
  bedrock: "c2lnbmVkLWJ5LWJlZHJvY2s="
}

/** Google's word for a call that its model did not make. */
const foreignCall = "skip_thought_signature_validator"

/** The loop of tools that goes on now did not begin with a thought; earlier ones need none any more. */
const lacksThought = ({ turns }: Meaning): boolean => {
  const asked = turns.findLastIndex(({ parts, role }) =>
    role === "user" && parts.every(({ kind }) => kind !== "result")
  )
  const begun = turns[asked + 1]
  return begun !== undefined && begun.parts[0]?.kind !== "thought"
}

/** Why the provider's own check of its state refuses the request. */
const stateFault = ({ dialect, meaning, model }: Heard): string | undefined => {
  const own = states[dialect]
  for (const [at, { parts }] of meaning.turns.entries()) {
    const first = parts.find(({ kind }) => kind === "call")
    for (const part of parts) {
      if (part.kind === "thought" && part.state !== own) return `turn ${at} has a thought that is not signed here`
      if (part.kind !== "call") continue
      if (part.state !== undefined && part.state !== own && part.state !== foreignCall) {
        return `turn ${at} has a signature that is not valid`
      }
      if (/__|[^\w-]/.test(part.id ?? "")) return `turn ${at} has an id that is not of this provider`
    }
    if (first?.kind === "call" && dialect === "gemini" && model.includes("-3-") && first.state === undefined) {
      return "Function call is missing a thought_signature"
    }
  }
  const isThoughtful = dialect === "anthropic" || dialect === "bedrock"
  return isThoughtful && meaning.thinks && lacksThought(meaning) ? "Expected a thinking block first" : undefined
}

const keyOf = ({ headers }: Asked): string | undefined =>
  headers.authorization?.replace(/^Bearer /, "") ?? String(headers["x-api-key"] ?? headers["x-goog-api-key"])

const understand = (asked: Asked): Heard => {
  const [, dialect = "", rest = ""] = /^\/(\w+)(.*)$/.exec(asked.path) ?? []
  if (!(dialect in speakers)) throw new Error(`nobody speaks at ${asked.path}`)
  // One of the four, as was just looked up.
  const name = dialect as DialectName
  const body = JSON.parse(asked.body)
  const model = body.model ?? decodeURIComponent(/\/models?\/([^:/]+)/.exec(rest)?.[1] ?? "")
  const stream = body.stream === true || /:streamGenerateContent|converse-stream/.test(rest)
  return { dialect: name, model, stream, meaning: speakers[name].read(body), asked }
}

export interface Upstream {
  /** Where this dialect is spoken, as a provider's `baseUrl`. */
  readonly baseUrl: (dialect: DialectName) => string
  readonly heard: ReadonlyArray<Heard>
  readonly close: () => Promise<void>
}

const paths: Readonly<Record<DialectName, string>> = {
  openai: "/openai/v1",
  anthropic: "/anthropic",
  gemini: "/gemini/v1beta",
  bedrock: "/bedrock"
}

/** In pieces that end anywhere, also within a character. */
const recut = (told: Told): Told => {
  const bytes = Buffer.concat(told.pieces.map((piece) => Buffer.from(piece)))
  const size = 97
  const pieces = Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, at) => bytes.subarray(at * size, (at + 1) * size)
  )
  return { ...told, pieces }
}

/** Listens on a free port; `model` says what is answered, or writes it itself. */
export const start = async (model: (heard: Heard) => Saying | Trouble | Told): Promise<Upstream> => {
  const heard: Array<Heard> = []
  const server = await startServer((asked) => {
    const one = understand(asked)
    heard.push(one)
    const { fail, speak } = speakers[one.dialect]
    if (keyOf(asked) !== goodKey) return fail({ status: 401, message: "The key is not valid." }, one.model)
    const fault = faultOf(one.meaning) ?? stateFault(one)
    if (fault !== undefined) return fail({ status: 400, message: fault }, one.model)
    const said = model(one)
    if ("pieces" in said) return said
    return recut("status" in said ? fail(said, one.model) : speak(said, one.model, one.stream))
  })
  return { baseUrl: (dialect) => server.url + paths[dialect], heard, close: server.close }
}
