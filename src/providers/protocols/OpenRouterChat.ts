/**
 * OpenRouter's reading of OpenAI's dialect: what models behind it thought, signed or sealed, stands in `reasoning_details` and is
 * wanted back with calls of tools; Gemini 3 refuses a call without. Plain clients keep nothing but a call's id (`OpaqueState.ts`).
 * Trap: in a stream they come in pieces, and Gemini's may come behind the call that they belong to.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Dialect, StreamOptions } from "../Dialect.ts"
import type { Frame } from "../Provider.ts"
import type { SseEvent } from "../Sse.ts"
import { carriedBy, carriedIn } from "./CarriedCalls.ts"
import { foreignSignature, generationOf, signingGeneration } from "./GeminiModels.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { lowered, openAi, rewritten } from "./OpenAiChatDialect.ts"
import { isObject, isText, type Json, type JsonObject, parse } from "./OpenAiChatShape.ts"
import { ChatStream } from "./OpenAiChatStream.ts"

type Message = ChatRequest["messages"][number]

const member = "reasoning_details"

const callsOf = (message: Message) => message.role === "assistant" ? message.tool_calls ?? [] : []

const objectsIn = (list: Json | undefined): ReadonlyArray<JsonObject> =>
  Array.isArray(list) ? list.filter(isObject) : []

/** What is sealed has to come back to the letter, so a seal that came without anything in it does not. */
const isWhole = ({ data, type }: JsonObject): boolean => type !== "reasoning.encrypted" || isText(data)

/** What was thought, with the model that did, for no other one may read it; undefined where there is none. */
const stateOf = (model: string, details: ReadonlyArray<JsonObject>): string | undefined =>
  details.length === 0 ? undefined : JSON.stringify({ model, details })

/** What this model thought before these calls, as far as their ids bring it back. */
const broughtBack = (message: Message, model: string): Array<JsonObject> =>
  callsOf(message).flatMap(({ id }) => {
    const state = parse(OpaqueState.stateOf(id, "o") ?? "null")
    return isObject(state) && state["model"] === model ? objectsIn(state["details"]) : []
  })

/** For calls that Gemini did not make. */
const foreignCall = (id: string): JsonObject => ({
  type: "reasoning.encrypted",
  data: foreignSignature,
  format: "google-gemini-v1",
  id,
  index: 0
})

/** What goes up with a message; undefined = what the client says, if anything. */
const detailsOf = (message: Message, model: string): Array<JsonObject> | undefined => {
  const [first] = callsOf(message)
  if (first === undefined) return undefined
  const brought = broughtBack(message, model)
  if (brought.length > 0) return brought
  const isKept = member in message && Array.isArray(message[member]) && message[member].length > 0
  return isKept || generationOf(model) < signingGeneration ? undefined : [foreignCall(OpaqueState.idOf(first.id))]
}

/** Pieces of one thought come one after the other: its texts are put together, and of all else the last word counts. */
const add = (details: Array<JsonObject>, piece: JsonObject): void => {
  const last = details.at(-1)
  const { index, type } = piece
  if (last?.["type"] !== type || last?.["index"] !== index || type === "reasoning.encrypted" || last === undefined) {
    details.push({ ...piece })
    return
  }
  for (const [name, value] of Object.entries(piece)) {
    const before = last[name]
    const isPiece = name === "text" || name === "summary"
    if (isPiece && typeof before === "string" && typeof value === "string") last[name] = before + value
    else if (value !== null) last[name] = value
  }
}

/** An answer of one choice, which is all that OpenRouter gives. */
class DetailsStream extends ChatStream {
  /** Since the last call. */
  private details: Array<JsonObject> = []
  /** From a call of Gemini's on, until it is sealed or the answer is over; Gemini's calls come whole, so nobody waits for them. */
  private readonly held: Array<Frame> = []
  private readonly model: string

  constructor(options: StreamOptions) {
    super(options)
    this.model = options.fallback.model
  }

  override next(event: SseEvent, out: Array<Frame>): void {
    const from = out.length
    if (event.data.includes(`"${member}":[{`)) this.note(event)
    super.next(event, out)
    this.heed(out, from)
  }

  override repeats(bytes: Uint8Array, out: Array<Frame>): number {
    return this.held.length === 0 ? super.repeats(bytes, out) : 0
  }

  override end(out: Array<Frame>, saidDone = false): void {
    const from = out.length
    super.end(out, saidDone)
    this.heed(out, from)
  }

  private note({ data }: SseEvent): void {
    const chunk = parse(data)
    const [choice] = isObject(chunk) ? objectsIn(chunk["choices"]) : []
    const delta = choice?.["delta"]
    if (!isObject(delta)) return
    for (const piece of objectsIn(delta[member])) if (isWhole(piece)) add(this.details, piece)
  }

  private get isSealed(): boolean {
    return this.details.some(({ type }) => type === "reasoning.encrypted")
  }

  private heed(out: Array<Frame>, from: number): void {
    if (this.held.length > 0) this.held.push(...out.splice(from))
    for (let at = from; at < out.length; at++) {
      const frame = out[at]
      if (frame === undefined || frame.isPlain || frame.chunk.choices[0]?.delta.tool_calls === undefined) continue
      if (!this.isSealed && !this.isDone && /gemini/i.test(frame.chunk.model)) {
        this.held.push(...out.splice(at))
        break
      }
      out[at] = this.carried(frame)
    }
    if (this.held.length === 0) return
    const isOver = this.isDone || this.held.some(({ chunk }) => chunk.choices.length === 0)
    if (isOver || this.isSealed) { for (const frame of this.held.splice(0)) out.push(this.carried(frame)) }
  }

  private carried(frame: Frame): Frame {
    if (this.details.length === 0 || frame.isPlain) return frame
    const carrier = carriedBy(frame, "o", stateOf(this.model, this.details))
    if (carrier !== frame) this.details = []
    return carrier
  }
}

export const openRouterChat: Dialect = {
  ...openAi,
  lower: (call, stream) => {
    const { model, request } = call
    const said = lowered(call, stream)
    const brought = request.messages.map((message) => detailsOf(message, model))
    if (brought.every((details) => details === undefined)) return said
    return rewritten(said, (body) => {
      const { messages } = body
      for (const [at, details] of brought.entries()) {
        const written = Array.isArray(messages) ? messages[at] : undefined
        // What an id brings back is whole, which what a client put together of a stream may not be.
        if (isObject(written) && details !== undefined) written[member] = details
      }
    })
  },
  readAnswer: (text, fallback) =>
    carriedIn(openAi.readAnswer(text, fallback), "o", (message) => {
      // As it was parsed.
      const details = member in message ? message[member] as Json : undefined
      return stateOf(fallback.model, objectsIn(details).filter(isWhole))
    }),
  openStream: (options) => new DetailsStream(options)
}
