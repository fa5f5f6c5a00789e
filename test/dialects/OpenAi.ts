/** OpenAI's chat dialect, read and spoken by hand. */
import type { Told } from "../exchanges/CloudUpstream.ts"
import {
  counts,
  emptySchema,
  joined,
  marked,
  type Meaning,
  type Part,
  plain,
  type Saying,
  type Trouble,
  type Turn,
  valueOf,
  waitOf
} from "./Meaning.ts"

// JSON of a dialect, read by hand.
type Loose = any

const partOf = (part: Loose): ReadonlyArray<Part> => {
  if (part.type === "text") return part.text.trim() === "" ? [] : [{ kind: "text", text: part.text, ...marked(part) }]
  if (part.type === "image_url") return [{ kind: "image", source: part.image_url.url, ...marked(part) }]
  if (part.type === "file") return [{ kind: "document", source: part.file.file_data, ...marked(part) }]
  if (part.type === "input_audio") {
    const { data, format } = part.input_audio
    return [{ kind: "audio", source: `data:audio/${format};base64,${data}`, ...marked(part) }]
  }
  throw new Error(`no part of OpenAI's is ${part.type}`)
}

const partsOf = (content: Loose): ReadonlyArray<Part> =>
  typeof content === "string" ? partOf({ type: "text", text: content }) : (content ?? []).flatMap(partOf)

const textOf = (content: Loose): string =>
  typeof content === "string" ? content : content.map((part: Loose) => part.text).join("\n")

const turnOf = (message: Loose): Turn => {
  if (message.role === "tool") {
    const value = valueOf(textOf(message.content))
    return { role: "user", parts: [{ kind: "result", id: message.tool_call_id, value, ...marked(message) }] }
  }
  if (message.role === "user") return { role: "user", parts: partsOf(message.content) }
  const calls = (message.tool_calls ?? []).map((call: Loose): Part => ({
    kind: "call",
    id: call.id,
    name: call.function.name,
    input: valueOf(call.function.arguments || "{}")
  }))
  return { role: "assistant", parts: [...partsOf(message.content), ...calls] }
}

const isInstruction = ({ role }: Loose): boolean => role === "system" || role === "developer"

const callableIn = ({ tool_choice: choice, tools = [] }: Loose): ReadonlyArray<string> => {
  if (choice === "none") return []
  if (choice?.type === "function") return [choice.function.name]
  const listed = choice?.type === "allowed_tools" ? choice.allowed_tools.tools : tools
  return listed.map((tool: Loose) => tool.function.name)
}

const formOf = (format: Loose): unknown =>
  format === undefined || format.type === "text" ? undefined : format.json_schema?.schema ?? "json"

export const read = (body: Loose): Meaning => ({
  ...plain,
  system: body.messages.filter(isInstruction).flatMap(({ content }: Loose) => partsOf(content)),
  turns: joined(body.messages.filter((message: Loose) => !isInstruction(message)).map(turnOf)),
  tools: (body.tools ?? []).map(({ function: { description, name, parameters } }: Loose) => ({
    name,
    description,
    schema: parameters ?? emptySchema
  })),
  callable: callableIn(body),
  mustCall: body.tool_choice === "required" || body.tool_choice?.type === "function" ||
    body.tool_choice?.allowed_tools?.mode === "required",
  isSerial: body.parallel_tool_calls === false && callableIn(body).length > 0,
  form: formOf(body.response_format),
  thinks: body.reasoning_effort !== undefined && body.reasoning_effort !== "none",
  maxTokens: body.max_completion_tokens ?? body.max_tokens,
  temperature: body.temperature,
  topP: body.top_p,
  stop: typeof body.stop === "string" ? [body.stop] : body.stop ?? [],
  seed: body.seed,
  frequencyPenalty: body.frequency_penalty,
  presencePenalty: body.presence_penalty,
  choices: body.n ?? 1,
  user: body.safety_identifier ?? body.user
})

const usage = {
  prompt_tokens: counts.prompt,
  completion_tokens: counts.completion,
  total_tokens: counts.prompt + counts.completion
}

const callsOf = ({ calls = [] }: Saying) =>
  calls.map(({ id, input, name }) => ({
    id,
    type: "function",
    function: { name, arguments: JSON.stringify(input) }
  }))

const identity = (model: string, object: string) => ({ id: "chatcmpl-fake", object, created: 1, model })

const whole = (said: Saying, model: string): Told => {
  const calls = callsOf(said)
  const message = {
    role: "assistant",
    content: said.text ?? null,
    refusal: null,
    ...(said.thought === undefined ? {} : { reasoning_content: said.thought.text }),
    ...(calls.length === 0 ? {} : { tool_calls: calls })
  }
  const finish = calls.length === 0 ? "stop" : "tool_calls"
  const choices = [{ index: 0, message, finish_reason: finish, logprobs: null }]
  return {
    headers: { "content-type": "application/json" },
    pieces: [JSON.stringify({ ...identity(model, "chat.completion"), choices, usage })]
  }
}

const deltasOf = (said: Saying): ReadonlyArray<Loose> => [
  { role: "assistant", content: said.calls === undefined ? "" : null },
  ...(said.thought === undefined ? [] : [{ reasoning_content: said.thought.text }]),
  ...(said.text ?? "").split(/(?<= )/).filter((text) => text !== "").map((content) => ({ content })),
  ...callsOf(said).flatMap(({ function: { arguments: written, name }, ...call }, index) => [
    { tool_calls: [{ index, ...call, function: { name, arguments: "" } }] },
    ...[written.slice(0, 3), written.slice(3)].map((text) => ({
      tool_calls: [{ index, function: { arguments: text } }]
    }))
  ])
]

const eventOf = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

const events = (said: Saying, model: string): ReadonlyArray<string> =>
  deltasOf(said).map((delta) =>
    eventOf({
      ...identity(model, "chat.completion.chunk"),
      choices: [{ index: 0, delta, finish_reason: null }],
      usage: null
    })
  )

const ending = (said: Saying, model: string): ReadonlyArray<string> => {
  const finish = said.calls === undefined ? "stop" : "tool_calls"
  const chunk = identity(model, "chat.completion.chunk")
  return [
    eventOf({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: finish }], usage: null }),
    eventOf({ ...chunk, choices: [], usage }),
    "data: [DONE]\n\n"
  ]
}

const sse = { "content-type": "text/event-stream" } as const

export const speak = (said: Saying, model: string, stream: boolean): Told =>
  stream ? { headers: sse, pieces: [...events(said, model), ...ending(said, model)] } : whole(said, model)

const types: Readonly<Record<number, string>> = { 400: "invalid_request_error", 429: "rate_limit_exceeded" }

export const fail = (trouble: Trouble, model: string): Told => {
  const { after, message = "It cannot.", status } = trouble
  const error = { message, type: types[status] ?? "server_error", param: null, code: null }
  return after === undefined
    ? {
      status,
      headers: { "content-type": "application/json", ...waitOf(trouble) },
      pieces: [JSON.stringify({ error })]
    }
    : { headers: sse, pieces: [...events(after, model), eventOf({ error })] }
}
