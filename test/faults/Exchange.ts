/**
 * What a scenario works with: one request on one socket, raw writes, and the replies most scenarios are variations of.
 * Every wait ends by `Gone` when the socket goes away, so no scenario outlives its connection.
 */
import type { ErrorFacts, FinishReason, Reply } from "./Answer.ts"
import { answer, chunksOf, completionOf, errorBody, tokensOf } from "./Answer.ts"
import type { HttpRequest } from "./Http1.ts"

/** One request as the upstream logged it. Times are epoch milliseconds with a fraction, from a monotonic clock. */
export interface Attempt {
  /** The request's `model`, or `METHOD path` for anything but a completion. */
  readonly scenario: string
  readonly at: number
  /** Which attempt of that scenario on this server it is, from 1. */
  readonly n: number
  readonly body: string
  readonly headers: Record<string, string>
  readonly socketId: number
  /** Bytes of the answer that the operating system took. */
  written: number
  /** When the scenario had said all it wanted to say. */
  finishedAt?: number
  /** When the socket went away, and who closed it first. */
  closedAt?: number
  closedBy?: "client" | "server"
}

/** The socket went away while a scenario was still at work. */
export class Gone extends Error {
  constructor() {
    super("the connection is gone")
  }
}

export interface Exchange {
  readonly attempt: Attempt
  readonly request: HttpRequest
  /** What stands after the scenario's name in the model, split at colons. */
  readonly args: ReadonlyArray<string>
  /** The server's name, part of the reply's id. */
  readonly server: string
  /** Which request on this server this is, from 1. */
  readonly serial: number
  readonly stream: boolean
  readonly includeUsage: boolean
  /** The role of the last message, if there is one. */
  readonly lastRole: string | undefined
  /** Which request of its scenario on its socket this is, from 1. */
  readonly onSocket: number
  /** The server's seeded source, in [0, 1). */
  readonly random: () => number
  /** Resolves when the operating system took the bytes, so writing keeps pace with the reader. */
  readonly write: (bytes: string | Uint8Array) => Promise<void>
  /** Waits that many milliseconds divided by the server's scale. */
  readonly sleep: (ms: number) => Promise<void>
  /** Waits 25 ms whatever the scale, so that a reader has read what was sent before a reset. */
  readonly settle: () => Promise<void>
  /** Waits until the socket goes away. */
  readonly forever: () => Promise<never>
  /** Ends the connection by RST. */
  readonly reset: () => void
  /** Ends the sending side by FIN. */
  readonly fin: () => void
  /** Reads nothing more from this socket until the answer has ended. */
  readonly stopReading: () => void
}

/** A number among the scenario's arguments. */
export const numberAt = (exchange: Exchange, index: number, fallback: number): number => {
  const text = exchange.args[index]
  if (text === undefined || text === "") return fallback
  const value = Number(text)
  if (Number.isNaN(value)) throw new Error(`argument ${index + 1} of ${exchange.attempt.scenario} is not a number`)
  return value
}

export type Headers = Record<string, string | undefined>

/** A status line with headers, ready to send; an undefined value leaves that header out. */
export const headText = (status: number, headers: Headers, reason = "Fault"): string =>
  [`HTTP/1.1 ${status} ${status === 200 ? "OK" : reason}`]
    .concat(Object.entries(headers).flatMap(([name, value]) => value === undefined ? [] : [`${name}: ${value}`]))
    .join("\r\n") + "\r\n\r\n"

const idOf = ({ serial, server }: Exchange): string => `${server}-${serial}`

const standing = (exchange: Exchange): Headers => ({
  "x-request-id": `req_${idOf(exchange)}`,
  "openai-version": "2020-10-01",
  "openai-processing-ms": "7"
})

/** A whole answer of one piece with its content-length. */
export const sendWhole = async (
  exchange: Exchange,
  status: number,
  body: string | Uint8Array,
  headers: Headers
): Promise<void> => {
  const bytes = Buffer.from(body)
  const head = headText(status, { ...standing(exchange), "content-length": String(bytes.length), ...headers })
  await exchange.write(Buffer.concat([Buffer.from(head), bytes]))
}

export const sendJson = (exchange: Exchange, status: number, body: unknown, headers: Headers = {}): Promise<void> =>
  sendWhole(exchange, status, JSON.stringify(body), { "content-type": "application/json", ...headers })

export const sendError = (exchange: Exchange, status: number, facts: ErrorFacts, headers: Headers = {}) =>
  sendJson(exchange, status, errorBody(facts), headers)

/** The facts of this exchange's reply; by default the canonical answer. */
export const replyOf = (
  exchange: Exchange,
  said: { readonly text?: string; readonly finishReason?: FinishReason; readonly callsTool?: boolean } = {}
): Reply => ({
  id: `chatcmpl-${idOf(exchange)}`,
  model: exchange.attempt.scenario,
  includeUsage: exchange.includeUsage,
  tokens: tokensOf(said.text ?? answer),
  finishReason: said.finishReason ?? (said.callsTool === true ? "tool_calls" : "stop"),
  callsTool: said.callsTool ?? false
})

/** How one event is written; the default is `data: {json}` and an empty line. */
export type Frame = (data: string) => string
export const frame: Frame = (data) => `data: ${data}\n\n`

/**
 * A body in the pieces that scenarios cut, delay and break: the events of a stream, or for a plain request the JSON text
 * in as many slices. Parts that do not apply are empty.
 */
export interface Parts {
  readonly role: string
  readonly tokens: ReadonlyArray<string>
  readonly finish: string
  readonly usage: string
  readonly done: string
}

export const partsOf = (exchange: Exchange, reply: Reply = replyOf(exchange), framed: Frame = frame): Parts => {
  if (exchange.stream) {
    const chunks = chunksOf(reply)
    const event = (value: unknown) => value === undefined ? "" : framed(JSON.stringify(value))
    const { finish, role, tokens, usage } = chunks
    const events = { role: event(role), tokens: tokens.map(event), finish: event(finish), usage: event(usage) }
    return { ...events, done: framed("[DONE]") }
  }
  const text = JSON.stringify(completionOf(reply))
  const count = reply.tokens.length + 2
  const at = (index: number) => Math.round(index * text.length / count)
  const slices = Array.from({ length: count }, (_, index) => text.slice(at(index), at(index + 1)))
  return { role: slices[0] ?? "", tokens: slices.slice(1, -1), finish: slices.at(-1) ?? "", usage: "", done: "" }
}

/** All pieces in order. */
export const allOf = (parts: Parts): ReadonlyArray<string> => [
  parts.role,
  ...parts.tokens,
  parts.finish,
  parts.usage,
  parts.done
]

/** Sends status 200 and the headers of a chunked body. */
export const openBody = (exchange: Exchange, headers: Headers = {}): Promise<void> =>
  exchange.write(headText(200, {
    ...standing(exchange),
    "content-type": exchange.stream ? "text/event-stream; charset=utf-8" : "application/json",
    "transfer-encoding": "chunked",
    ...headers
  }))

/** One HTTP chunk; nothing for an empty piece, which would end the body. */
export const sendPiece = async (exchange: Exchange, piece: string | Uint8Array): Promise<void> => {
  if (piece.length === 0) return
  const bytes = Buffer.from(piece)
  await exchange.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]))
}

export const sendPieces = async (exchange: Exchange, pieces: Iterable<string | Uint8Array>): Promise<void> => {
  for (const piece of pieces) await sendPiece(exchange, piece)
}

/** The terminator of a chunked body. */
export const endBody = (exchange: Exchange): Promise<void> => exchange.write("0\r\n\r\n")

/** A whole chunked body made of these pieces. */
export const sendBody = async (exchange: Exchange, pieces: Iterable<string | Uint8Array>, headers: Headers = {}) => {
  await openBody(exchange, headers)
  await sendPieces(exchange, pieces)
  await endBody(exchange)
}

/** The healthy answer: chunked events, or one JSON body with its length. */
export const sendAnswer = (
  exchange: Exchange,
  reply: Reply = replyOf(exchange),
  headers: Headers = {}
): Promise<void> =>
  exchange.stream
    ? sendBody(exchange, allOf(partsOf(exchange, reply)), headers)
    : sendJson(exchange, 200, completionOf(reply), headers)

/** One way to misbehave. */
export interface Script {
  /** Rows of the reliability page's fault table; empty for a healthy answer. */
  readonly faults: ReadonlyArray<number>
  /** What a client sees, in one line; parameters in brackets with their default. */
  readonly does: string
  readonly run: (exchange: Exchange) => Promise<void>
}

export type Scripts = Readonly<Record<string, Script>>
