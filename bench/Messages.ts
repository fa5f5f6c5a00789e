/** What Anthropic would answer in the load bench: one message, and the same text as a stream with a delta for each chunk. */
import { chunks } from "./Payload.ts"

const usage = { input_tokens: 62, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 48 }
const message = { id: "msg_01BXk2mQ9sT4vWc7yZ1aE3", type: "message", role: "assistant", model: "claude-sonnet-4-5" }
const text = " wave"

export const wholeMessage = JSON.stringify({
  ...message,
  content: [{ type: "text", text: text.repeat(chunks) }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage
})

const event = (data: { readonly type: string } & Readonly<Record<string, unknown>>): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`

const begun = { ...message, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } }

/** What stands around the deltas goes with the first and the last of them, as it does over the wire. */
export const messageEvents: ReadonlyArray<string> = Array.from({ length: chunks }, (_, n) => {
  const delta = event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })
  if (n === 0) {
    return event({ type: "message_start", message: begun })
      + event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } })
      + event({ type: "ping" })
      + delta
  }
  if (n < chunks - 1) return delta
  return delta
    + event({ type: "content_block_stop", index: 0 })
    + event({ type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage })
    + event({ type: "message_stop" })
})
