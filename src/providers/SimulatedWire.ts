/** Writes a simulated reply in OpenAI's shape, whole or as chunks in the order and form that the strictest clients accept. */
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import type { Usage } from "../domain/Usage.ts"
import type { Frame } from "./Provider.ts"
import type { Choice, Reply } from "./SimulatedReply.ts"

/** What every chunk of one answer repeats. */
export interface Envelope {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
}

interface Completion extends ChatCompletion {
  readonly usage: ReturnType<typeof usageBody>
  readonly system_fingerprint: string
}

interface Chunk extends ChatChunk {
  readonly usage?: ReturnType<typeof usageBody> | null
  readonly system_fingerprint: string
}

const fingerprint = "fp_simulated"

const usageBody = (usage: Usage) => ({
  prompt_tokens: usage.promptTokens,
  completion_tokens: usage.completionTokens,
  total_tokens: usage.totalTokens,
  prompt_tokens_details: { cached_tokens: usage.cachedTokens ?? 0 },
  completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 }
})

const messageOf = (choice: Choice) => ({
  role: "assistant",
  content: choice.toolCalls.length > 0 ? null : choice.content.join(""),
  refusal: null,
  ...(choice.reasoning.length > 0 ? { reasoning_content: choice.reasoning.join("") } : {}),
  ...(choice.toolCalls.length > 0
    ? {
      tool_calls: choice.toolCalls.map((call) => ({
        id: call.id,
        type: "function",
        function: { name: call.name, arguments: call.arguments }
      }))
    }
    : {})
})

/** The whole answer. */
export const completionOf = (envelope: Envelope, reply: Reply): Completion => ({
  id: envelope.id,
  object: "chat.completion",
  created: envelope.created,
  model: envelope.model,
  choices: reply.choices.map((choice, index) => ({
    index,
    message: messageOf(choice),
    logprobs: null,
    finish_reason: choice.finishReason
  })),
  usage: usageBody(reply.usage),
  system_fingerprint: fingerprint
})

/** One event of a stream before it is written. */
export interface Event {
  /** How many tokens of its choice come before it: its place in time. */
  readonly position: number
  readonly index: number
  readonly delta: Readonly<Record<string, unknown>>
  readonly finishReason: Choice["finishReason"] | null
  readonly isContent: boolean
}

const eventsOf = (choice: Choice, index: number): ReadonlyArray<Event> => {
  const events: Array<Event> = []
  let position = 0
  const add = (delta: Event["delta"], isContent: boolean, finishReason: Event["finishReason"] = null): void => {
    events.push({ position: isContent ? position++ : Math.max(position - 1, 0), index, delta, finishReason, isContent })
  }
  const isCalling = choice.toolCalls.length > 0
  if (!isCalling) add({ role: "assistant", content: "", refusal: null }, false)
  for (const token of choice.reasoning) add({ reasoning_content: token }, true)
  for (const token of choice.content) add({ content: token }, true)
  choice.toolCalls.forEach((call, place) => {
    const head = { index: place, id: call.id, type: "function", function: { name: call.name, arguments: "" } }
    add(place === 0 ? { role: "assistant", content: null, tool_calls: [head] } : { tool_calls: [head] }, true)
    for (const token of call.arguments.match(/[^]{1,4}/gu) ?? []) {
      add({ tool_calls: [{ index: place, function: { arguments: token } }] }, true)
    }
  })
  add({}, false, choice.finishReason)
  return events
}

/** Everything but the usage, in the order of sending; several choices come interleaved. */
export const planOf = (reply: Reply): ReadonlyArray<Event> =>
  reply.choices.length === 1
    ? reply.choices.flatMap(eventsOf)
    : reply.choices.flatMap(eventsOf).toSorted((left, right) => left.position - right.position)

const encoder = new TextEncoder()

const written = (chunk: Chunk): Uint8Array => encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`)

const chunkOf = (envelope: Envelope, choices: Chunk["choices"]): Chunk => ({
  id: envelope.id,
  object: "chat.completion.chunk",
  created: envelope.created,
  model: envelope.model,
  system_fingerprint: fingerprint,
  choices
})

/** `isTerminal` is the caller's to know: it depends on the other choices. With `includeUsage` each chunk says `usage: null`. */
export const frameOf = (envelope: Envelope, event: Event, includeUsage: boolean, isTerminal: boolean): Frame => {
  const choice = { index: event.index, delta: event.delta, logprobs: null, finish_reason: event.finishReason }
  const bare = chunkOf(envelope, [choice])
  const chunk = includeUsage ? { ...bare, usage: null } : bare
  return { bytes: written(chunk), chunk, isContent: event.isContent, isTerminal, usage: undefined }
}

/** The last frame: sent only when the caller asked for it. */
export const usageFrameOf = (envelope: Envelope, usage: Usage, includeUsage: boolean): Frame => {
  const chunk = { ...chunkOf(envelope, []), usage: usageBody(usage) }
  return { bytes: includeUsage ? written(chunk) : undefined, chunk, isContent: false, isTerminal: true, usage }
}
