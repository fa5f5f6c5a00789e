/**
 * DeepSeek's reading of OpenAI's dialect: it refuses a conversation with tools that has lost the thoughts of earlier answers
 * (`reasoning_content`). Plain clients keep nothing but a call's id, so that is where they travel (`OpaqueState.ts`).
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Dialect } from "../Dialect.ts"
import type { Frame } from "../Provider.ts"
import type { SseEvent } from "../Sse.ts"
import { carriedBy, carriedIn } from "./CarriedCalls.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { lowered, openAi, rewritten } from "./OpenAiChatDialect.ts"
import { isObject } from "./OpenAiChatShape.ts"
import { ChatStream } from "./OpenAiChatStream.ts"
import { PlainFrame } from "./PlainFrame.ts"

type Message = ChatRequest["messages"][number]

const member = "reasoning_content"

/** What stands for thoughts that are lost, or were another model's: an empty text is refused. */
const unknownThoughts = " "

const isThinkingOff = (request: ChatRequest): boolean => {
  const thinking: unknown = "thinking" in request ? request.thinking : undefined
  return typeof thinking === "object" && thinking !== null && "type" in thinking && thinking.type === "disabled"
}

const hasCalls = (message: Message): boolean => message.role === "assistant" && (message.tool_calls ?? []).length > 0

/** With tools in it every earlier answer has to say what was thought. */
const wantsThoughts = (request: ChatRequest): boolean =>
  request.messages.some(({ role }) => role === "assistant") && !isThinkingOff(request) &&
  ((request.tools ?? []).length > 0 || request.messages.some(hasCalls))

const thoughtsOf = (message: Message): string => {
  const [call] = message.role === "assistant" ? message.tool_calls ?? [] : []
  return (call === undefined ? undefined : OpaqueState.stateOf(call.id, "d")) ?? unknownThoughts
}

const says = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(`"${member}"`)

/** An answer of one choice, which is all that DeepSeek gives. */
class ThinkingStream extends ChatStream {
  /** Undefined where none were told since the last call. */
  private thoughts: string | undefined

  override next(event: SseEvent, out: Array<Frame>): void {
    const from = out.length
    super.next(event, out)
    this.heed(out, from)
  }

  override repeats(bytes: Uint8Array, out: Array<Frame>): number {
    const from = out.length
    const read = super.repeats(bytes, out)
    this.heed(out, from)
    return read
  }

  private heed(out: Array<Frame>, from: number): void {
    for (const [at, frame] of out.entries()) if (at >= from) out[at] = this.carried(frame)
  }

  private carried(frame: Frame): Frame {
    // Most of an answer's text need not be parsed for this.
    if (frame instanceof PlainFrame && !says(frame.bytes)) return frame
    const thought = frame.chunk.choices[0]?.delta.reasoning_content
    if (typeof thought === "string") this.thoughts = (this.thoughts ?? "") + thought
    const carrier = carriedBy(frame, "d", this.thoughts)
    if (carrier !== frame) this.thoughts = undefined
    return carrier
  }
}

export const deepSeekChat: Dialect = {
  ...openAi,
  lower: (call, stream) => {
    const { request } = call
    const said = lowered(call, stream)
    const limit = request.max_completion_tokens
    const hasLimit = limit !== undefined && limit !== null
    const isLacking = wantsThoughts(request)
    if (!hasLimit && !isLacking) return said
    return rewritten(said, (body) => {
      // It heeds this one alone, and passes over the other without a word.
      if (hasLimit) body["max_tokens"] = limit
      if (!isLacking) return
      const { messages } = body
      for (const [at, message] of call.request.messages.entries()) {
        const written = Array.isArray(messages) ? messages[at] : undefined
        if (message.role !== "assistant" || !isObject(written)) continue
        if (typeof written[member] !== "string") written[member] = thoughtsOf(message)
      }
    })
  },
  readAnswer: (text, fallback) =>
    carriedIn(openAi.readAnswer(text, fallback), "d", (message) => message.reasoning_content),
  openStream: (options) => new ThinkingStream(options)
}
