/** Anthropic's Messages, read and spoken by hand. */
import type { Told } from "../exchanges/CloudUpstream.ts"
import {
  counts,
  joined,
  marked,
  type Meaning,
  type Part,
  plain,
  type Saying,
  type Trouble,
  valueOf,
  waitOf
} from "./Meaning.ts"

// JSON of a dialect, read by hand.
type Loose = any

const sourceOf = ({ data, media_type: type, type: kind, url }: Loose): string => {
  if (kind === "url") return url
  return kind === "text"
    ? `data:${type};base64,${Buffer.from(data).toString("base64")}`
    : `data:${type};base64,${data}`
}

const resultOf = (content: Loose): unknown =>
  valueOf(typeof content === "string" ? content : (content ?? []).map((block: Loose) => block.text).join("\n"))

const partOf = (block: Loose): Part => {
  const cached = marked(block)
  switch (block.type) {
    case "text":
      return { kind: "text", text: block.text, ...cached }
    case "image":
    case "document":
      return { kind: block.type, source: sourceOf(block.source), ...cached }
    case "thinking":
      return { kind: "thought", text: block.thinking, state: block.signature }
    case "tool_use":
      return { kind: "call", id: block.id, name: block.name, input: block.input, ...cached }
    case "tool_result":
      return { kind: "result", id: block.tool_use_id, value: resultOf(block.content), ...cached }
    default:
      throw new Error(`no block of Anthropic's is ${block.type}`)
  }
}

const partsOf = (content: Loose): ReadonlyArray<Part> =>
  typeof content === "string" ? [{ kind: "text", text: content }] : (content ?? []).map(partOf)

const callableIn = ({ tool_choice: choice, tools = [] }: Loose): ReadonlyArray<string> => {
  if (choice?.type === "none") return []
  return choice?.type === "tool" ? [choice.name] : tools.map(({ name }: Loose) => name)
}

export const read = (body: Loose): Meaning => ({
  ...plain,
  system: partsOf(body.system),
  turns: joined(body.messages.map(({ content, role }: Loose) => ({ role, parts: partsOf(content) }))),
  tools: (body.tools ?? []).map(({ description, input_schema: schema, name }: Loose) => ({
    name,
    description,
    schema
  })),
  callable: callableIn(body),
  mustCall: ["any", "tool"].includes(body.tool_choice?.type),
  isSerial: body.tool_choice?.disable_parallel_tool_use === true,
  form: body.output_config?.format?.schema,
  thinks: ["enabled", "adaptive"].includes(body.thinking?.type),
  maxTokens: body.max_tokens,
  temperature: body.temperature,
  topP: body.top_p,
  stop: body.stop_sequences ?? [],
  user: body.metadata?.user_id
})

const usage = { input_tokens: counts.prompt, output_tokens: counts.completion }

const blocksOf = ({ calls = [], text, thought }: Saying): ReadonlyArray<Loose> => [
  ...(thought === undefined ? [] : [{ type: "thinking", thinking: thought.text, signature: thought.state }]),
  ...(text === undefined ? [] : [{ type: "text", text }]),
  ...calls.map(({ id, input, name }) => ({ type: "tool_use", id, name, input }))
]

const messageOf = (said: Saying, model: string) => ({
  id: "msg_fake",
  type: "message",
  role: "assistant",
  model,
  content: blocksOf(said),
  stop_reason: said.calls === undefined ? "end_turn" : "tool_use",
  usage
})

const deltasOf = (block: Loose): ReadonlyArray<Loose> => {
  if (block.type === "text") {
    return block.text.split(/(?<= )/).map((text: string) => ({ type: "text_delta", text }))
  }
  if (block.type === "thinking") {
    return [
      { type: "thinking_delta", thinking: block.thinking },
      { type: "signature_delta", signature: block.signature }
    ]
  }
  const input = JSON.stringify(block.input)
  return ["", input.slice(0, 3), input.slice(3)].map((text) => ({ type: "input_json_delta", partial_json: text }))
}

const begun: Readonly<Record<string, Loose>> = {
  text: { text: "" },
  thinking: { thinking: "", signature: "" },
  tool_use: { input: {} }
}

const eventOf = (event: Loose): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}  \n\n`

const events = (said: Saying, model: string): ReadonlyArray<string> =>
  [
    {
      type: "message_start",
      message: { ...messageOf(said, model), content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } }
    },
    { type: "ping" },
    ...blocksOf(said).flatMap((block, index) => [
      { type: "content_block_start", index, content_block: { ...block, ...begun[block.type] } },
      ...deltasOf(block).map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index }
    ])
  ].map(eventOf)

const sse = { "content-type": "text/event-stream; charset=utf-8", "request-id": "req_fake" } as const

export const speak = (said: Saying, model: string, stream: boolean): Told => {
  const message = messageOf(said, model)
  if (!stream) {
    return {
      headers: { "content-type": "application/json", "request-id": "req_fake" },
      pieces: [JSON.stringify(message)]
    }
  }
  const delta = { stop_reason: message.stop_reason, stop_sequence: null }
  const ending = [
    { type: "message_delta", delta, usage: { output_tokens: counts.completion } },
    { type: "message_stop" }
  ]
  return { headers: sse, pieces: [...events(said, model), ...ending.map(eventOf)] }
}

const types: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  429: "rate_limit_error",
  529: "overloaded_error"
}

export const fail = (trouble: Trouble, model: string): Told => {
  const { after, message = "It cannot.", status } = trouble
  const error = { type: "error", error: { type: types[status] ?? "api_error", message }, request_id: "req_fake" }
  return after === undefined
    ? { status, headers: { "content-type": "application/json", ...waitOf(trouble) }, pieces: [JSON.stringify(error)] }
    : { headers: sse, pieces: [...events(after, model), eventOf(error)] }
}
