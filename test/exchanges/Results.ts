/**
 * Every recorded exchange replayed once through its dialect and compared with its own words, as a value: `docs/PROVIDERS.md` is
 * written from it. What it says of an exchange is less than the tests beside it ask for, and never more.
 */
import type { Dialect } from "../../src/providers/Dialect.ts"
import { anthropicMessages, usualVersion } from "../../src/providers/protocols/AnthropicMessages.ts"
import { bedrockConverse } from "../../src/providers/protocols/BedrockConverse.ts"
import { geminiGenerate } from "../../src/providers/protocols/GeminiGenerate.ts"
import { openAiChat } from "../../src/providers/protocols/OpenAiChatDialect.ts"
import { readAnswer as readVectors } from "../../src/providers/protocols/OpenAiEmbeddings.ts"
import * as AnthropicRecorded from "./AnthropicRecorded.ts"
import * as BedrockRecorded from "./BedrockRecorded.ts"
import { ofChunks, ofMessage, type Said, usageOf } from "./Conversation.ts"
import * as GeminiRecorded from "./GeminiRecorded.ts"
import { fallback, play } from "./Play.ts"
import { type Exchange, exchangesOf, isStream, makeValidator, sseOf } from "./Recorded.ts"
import { readRefusal, reasons } from "./Refusals.ts"

// Recorded JSON of every host, read by hand.
type Loose = any

/** What an exchange says. */
interface Reading {
  readonly said: Said
  /** Prompt and completion, where the host counted them. */
  readonly tokens: readonly [number | undefined, number | undefined]
}

/** How the exchanges of one dialect are read without the code under test. */
interface Recorded {
  readonly dialect: Dialect
  readonly bytes: (exchange: Exchange) => Buffer
  readonly reading: (exchange: Exchange) => Reading
  /** Where in a stream its finish begins, and up to there it is no answer. */
  readonly finish: (bytes: Buffer) => number
}

const ofOpenAi: Recorded = {
  dialect: openAiChat,
  bytes: (exchange) => Buffer.from(sseOf(exchange)),
  reading: (exchange) => {
    const { body } = exchange.response
    const payloads: ReadonlyArray<Loose> = isStream(exchange)
      ? sseOf(exchange).split(/\r?\n/).flatMap((line) => /^data: ?(\{.*)$/.exec(line)?.[1] ?? []).map((text) =>
        JSON.parse(text)
      )
      : [body]
    const usage = usageOf(payloads)
    return {
      said: isStream(exchange) ? ofChunks(payloads) : ofMessage(payloads[0].choices[0]),
      tokens: [usage?.prompt_tokens, usage?.completion_tokens]
    }
  },
  finish: (bytes) => Buffer.byteLength(/^[^]*?(?="finish_reason":\s*"|"usage":\s*\{)/.exec(bytes.toString())?.[0] ?? "")
}

const ofAnthropic: Recorded = {
  dialect: anthropicMessages({ version: usualVersion }),
  bytes: (exchange) => Buffer.from(AnthropicRecorded.sseOf(exchange)),
  reading: (exchange) => {
    const message = isStream(exchange) ? AnthropicRecorded.messageOf(exchange) : exchange.response.body
    const { calls, completion, content, finish, prompt, reasoning } = AnthropicRecorded.ofAnthropic(message)
    return { said: { calls, content, finish, reasoning }, tokens: [prompt, completion] }
  },
  finish: (bytes) => bytes.indexOf("event: message_delta")
}

const ofGemini: Recorded = {
  dialect: geminiGenerate,
  bytes: GeminiRecorded.bytesOf,
  reading: (exchange) => {
    const answers = isStream(exchange) ? GeminiRecorded.chunksOf(exchange) : [exchange.response.body]
    const { completionTokens, promptTokens } = GeminiRecorded.countedIn(answers)
    return { said: GeminiRecorded.saidIn(answers), tokens: [promptTokens, completionTokens] }
  },
  finish: (bytes) => bytes.lastIndexOf("\"finishReason\"")
}

const converse = new Map(BedrockRecorded.recordings.map((recording) => [recording.name, recording]))

const conversed = ({ name }: Exchange): BedrockRecorded.Recording => {
  const found = converse.get(name)
  if (found === undefined) throw new Error(`${name} is no recording of Converse`)
  return found
}

const ofBedrock: Recorded = {
  dialect: bedrockConverse,
  bytes: (exchange) => conversed(exchange).bytes,
  reading: (exchange) => {
    const recording = conversed(exchange)
    const { body, events } = recording
    const stop = events.find(({ messageStop }) => messageStop)?.messageStop.stopReason ?? body.stopReason
    const blocks = events.length > 0 ? BedrockRecorded.blocksIn(recording) : body.output.message.content
    const usage = events.find(({ metadata }) => metadata)?.metadata.usage ?? body.usage
    return {
      said: BedrockRecorded.saidIn(blocks, stop),
      tokens: [BedrockRecorded.promptOf(usage), usage.outputTokens]
    }
  },
  finish: (bytes) => bytes.indexOf("messageStop")
}

/** The endpoints of upstreams that the gateway asks. */
const served: Readonly<Record<string, Recorded>> = {
  "chat.completions": ofOpenAi,
  "messages": ofAnthropic,
  "generateContent": ofGemini,
  "streamGenerateContent": ofGemini,
  "converse": ofBedrock,
  "converse-stream": ofBedrock,
  "embeddings": ofOpenAi
}

const payloadsOf = (texts: ReadonlyArray<string>): ReadonlyArray<Loose> =>
  texts.map((text) => JSON.parse(text.slice("data: ".length)))

const isSame = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right)

const sorted = ({ calls, content, finish, reasoning }: Said): Said => ({ content, reasoning, calls, finish })

const faultsBetween = (
  written: Reading,
  { said, tokens }: Reading,
  invalid: ReadonlyArray<string>
): ReadonlyArray<string> => [
  ...(isSame(sorted(written.said), sorted(said)) ? [] : ["says something else"]),
  ...(isSame(written.tokens, tokens) ? [] : ["counts something else"]),
  ...invalid
]

type Validate = (value: unknown) => ReadonlyArray<string>

const faultsOfWhole = ({ dialect, reading }: Recorded, exchange: Exchange, validate: Validate) => {
  const read = dialect.readAnswer(JSON.stringify(exchange.response.body), fallback)
  if ("_tag" in read) return [read._tag]
  const written = JSON.parse(read.text)
  const { completionTokens, promptTokens } = read.usage ?? {}
  const own = { said: ofMessage(written.choices[0]), tokens: [promptTokens, completionTokens] } as const
  return faultsBetween(own, reading(exchange), validate(written))
}

const faultsOfStream = (
  { bytes, dialect, finish, reading }: Recorded,
  exchange: Exchange,
  validate: Validate
): ReadonlyArray<string> => {
  const sent = bytes(exchange)
  const played = play(dialect, [sent])
  if (played.failure !== undefined) return [played.failure]
  const payloads = payloadsOf(played.texts)
  const { completionTokens, promptTokens } = played.frames.findLast(({ usage }) => usage)?.usage ?? {}
  const own = { said: ofChunks(payloads), tokens: [promptTokens, completionTokens] } as const
  const alone = play(dialect, Array.from(sent, (byte) => Uint8Array.of(byte)))
  const cuts = [0.2, 0.6, 0.99].map((part) => play(dialect, [sent.subarray(0, Math.floor(finish(sent) * part))]))
  return [
    ...faultsBetween(own, reading(exchange), payloads.flatMap(validate)),
    ...(isSame(alone.texts, played.texts) ? [] : ["reads otherwise byte by byte"]),
    ...(cuts.every(({ failure }) => failure === "StreamInterrupted") ? [] : ["cut"])
  ]
}

/** OpenAI's schema knows numbers alone. */
const withoutVectors = (answer: Loose): Loose => ({
  ...answer,
  data: answer.data.map((entry: Loose) => ({ ...entry, embedding: [] }))
})

const faultsOfVectors = (exchange: Exchange, validate: Validate): ReadonlyArray<string> => {
  const { body }: Loose = exchange.response
  const isBase64 = exchange.request.body["encoding_format"] === "base64"
  const request = { model: "asked", input: "x", encoding_format: isBase64 ? "base64" : "float" } as const
  const read = readVectors(JSON.stringify(body), { model: "asked", request }, 0)
  if ("_tag" in read) return [read._tag]
  const written = JSON.parse(read.text)
  const vectorsOf = ({ data }: Loose) => data.map(({ embedding }: Loose) => embedding)
  return [
    ...(isSame(vectorsOf(written), vectorsOf(body)) ? [] : ["has other vectors"]),
    ...(read.usage?.promptTokens === body.usage?.prompt_tokens ? [] : ["counts something else"]),
    ...validate(withoutVectors(written))
  ]
}

/** A stream that ends in an error of the host's own, and no answer. */
export const isBroken = ({ situations }: Exchange): boolean => situations.includes("error-mid-stream")

/** One exchange and what came of it. */
export interface Result {
  readonly exchange: Exchange
  /** False where the gateway asks no upstream in this way. */
  readonly isServed: boolean
  /** What is wrong; empty = it says the same. */
  readonly faults: ReadonlyArray<string>
}

const make = () => {
  const whole = makeValidator("chat-completion-response")
  const chunk = makeValidator("chat-completion-chunk")
  const vectors = makeValidator("embedding-response")
  return (exchange: Exchange, recorded: Recorded): ReadonlyArray<string> => {
    const { endpoint, name, provider, response } = exchange
    if (response.status !== 200) {
      const family = endpoint === "embeddings" && provider === "gemini" ? "gemini" : recorded.dialect.family
      const [tag, status, hint] = readRefusal(family, exchange)
      return tag === reasons[name] && status === response.status && hint === undefined ? [] : [tag]
    }
    if (isBroken(exchange)) {
      const { failure } = play(recorded.dialect, [recorded.bytes(exchange)])
      return failure === "UpstreamRefused" ? [] : ["does not end in its error"]
    }
    if (endpoint === "embeddings") return faultsOfVectors(exchange, vectors)
    return isStream(exchange)
      ? faultsOfStream(recorded, exchange, chunk)
      : faultsOfWhole(recorded, exchange, whole)
  }
}

/** All that was recorded; empty where the recordings are absent. */
export const results = (): ReadonlyArray<Result> => {
  const exchanges = exchangesOf("--")
  if (exchanges.length === 0) return []
  const faultsOf = make()
  return exchanges.map((exchange) => {
    const recorded = served[exchange.endpoint]
    return {
      exchange,
      isServed: recorded !== undefined,
      faults: recorded === undefined ? [] : faultsOf(exchange, recorded)
    }
  })
}
