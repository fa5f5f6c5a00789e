/** What recorded answers of Anthropic say, read without the code under test. */
import { SseParser } from "../../src/providers/Sse.ts"
import type { Said } from "./Conversation.ts"
import type { Exchange } from "./Recorded.ts"

// Recorded JSON, read by hand.
type Loose = any

/** A client's capture is framed again. */
export const sseOf = ({ response }: Exchange): string =>
  response.sse
    ?? (response.chunks ?? []).map((chunk: Loose) => `event: ${chunk.type}\ndata: ${JSON.stringify(chunk)}\n\n`).join(
      ""
    )

const finishes: Readonly<Record<string, string>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  tool_use: "tool_calls",
  refusal: "content_filter"
}

export interface AnthropicReading extends Said {
  readonly model: string
  readonly id: string
  readonly prompt: number
  readonly cached: number
  readonly written: number
  readonly completion: number
}

const joined = (blocks: ReadonlyArray<Loose>, type: string, member: string): string =>
  blocks.filter((block) => block.type === type).map((block) => block[member]).join("")

/** What a message says, read without the code under test. */
export const ofAnthropic = (message: Loose): AnthropicReading => {
  const { usage } = message
  const cached = usage.cache_read_input_tokens ?? 0
  const written = usage.cache_creation_input_tokens ?? 0
  return {
    content: joined(message.content, "text", "text"),
    reasoning: joined(message.content, "thinking", "thinking"),
    calls: message.content.filter((block: Loose) => block.type === "tool_use")
      .map((block: Loose) => ({ name: block.name, arguments: block.input })),
    finish: finishes[message.stop_reason] ?? "?",
    model: message.model,
    id: message.id,
    prompt: usage.input_tokens + cached + written,
    cached,
    written,
    completion: usage.output_tokens
  }
}

const eventsOf = (exchange: Exchange): ReadonlyArray<Loose> =>
  new SseParser().push(Buffer.from(sseOf(exchange))).map(({ data }) => JSON.parse(data))

/** The message that a stream amounts to. */
export const messageOf = (exchange: Exchange): Loose => {
  let message: Loose
  const inputs = new Map<number, string>()
  for (const event of eventsOf(exchange)) {
    if (event.type === "message_start") message = { ...event.message, content: [] }
    if (event.type === "content_block_start") message.content[event.index] = { ...event.content_block }
    if (event.type === "message_delta") {
      Object.assign(message, event.delta)
      message.usage = { ...message.usage, ...event.usage }
    }
    if (event.type !== "content_block_delta") continue
    const block = message.content[event.index]
    const { delta } = event
    if (delta.type === "text_delta") block.text += delta.text
    if (delta.type === "thinking_delta") block.thinking += delta.thinking
    if (delta.type === "input_json_delta") {
      const text = (inputs.get(event.index) ?? "") + delta.partial_json
      inputs.set(event.index, text)
      if (block.type === "tool_use" && text !== "") {
        try {
          block.input = JSON.parse(text)
        } catch {
          // The rest is to come.
        }
      }
    }
  }
  return message
}
