/**
 * What the misbehaving upstream says when it behaves: one canonical answer of sixty words in the exact OpenAI shapes, so
 * that a cut answer can never pass for a whole one.
 */

/** The canonical answer: sixty words, one token each. */
export const answer =
  "Stone after stone the harbour wall went out into grey water, and every winter the sea came back to test it. " +
  "Some nights one block shifted, some nights a whole course was lost, yet by spring the masons had read each wound, " +
  "set heavier footings beneath, and left the small boats behind resting in still and patient water until morning."

/** Sixty words whose characters take two to four bytes each, with joined emoji, for faults inside a character. */
export const unicodeAnswer = Array.from(
  { length: 60 },
  (_, index) =>
    ["波止場", "🌊", "Ünïcödé", "👩‍👩‍👧‍👦", "Привет", "灯台🚢", "é̂", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "ﷺ", "𝒲𝒶𝓁𝓁"][index % 10] + String(index)
).join(" ")

/** A text as tokens: one word each, with the space before it. */
export const tokensOf = (text: string): ReadonlyArray<string> =>
  text.split(" ").map((word, index) => index === 0 ? word : ` ${word}`)

/** The canonical answer with three bytes in its middle that are no UTF-8, as whoever decodes it reads them. */
export const brokenAnswer = [...tokensOf(answer).slice(0, 30), "\uFFFD".repeat(3), ...tokensOf(answer).slice(30)].join(
  ""
)

/** The one tool call that the tool scenarios make. */
export const toolCall = {
  id: "call_fault_1",
  name: "get_tide",
  arguments: "{\"harbour\":\"Whitby\",\"day\":\"2026-11-22\",\"metres\":true}"
} as const

const toolFragments: ReadonlyArray<string> = toolCall.arguments.match(/.{1,6}/gs) ?? []

/** Tokens counted in every reply: 12 for the prompt, one for each word of the answer. */
const usageOf = (completion: number) => ({
  prompt_tokens: 12,
  completion_tokens: completion,
  total_tokens: 12 + completion,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 0,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0
  }
})

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter"

/** The facts a reply is made of. */
export interface Reply {
  readonly id: string
  readonly model: string
  readonly includeUsage: boolean
  readonly tokens: ReadonlyArray<string>
  readonly finishReason: FinishReason
  /** The reply calls the tool instead of speaking; `tokens` is then not used. */
  readonly callsTool: boolean
}

const created = 1_795_000_000
const origin = { created, service_tier: "default", system_fingerprint: "fp_fault" } as const

const chunk = (reply: Reply, choices: ReadonlyArray<unknown>, usage: unknown = null) => ({
  id: reply.id,
  object: "chat.completion.chunk",
  ...origin,
  model: reply.model,
  choices,
  ...(reply.includeUsage ? { usage } : {})
})

const choice = (delta: unknown, finish_reason: FinishReason | null = null) => [
  { index: 0, delta, logprobs: null, finish_reason }
]

/** The chunk that carries one delta of the first choice. */
export const deltaChunk = (reply: Reply, delta: unknown) => chunk(reply, choice(delta))

/** A reply as the chunks of a stream: the role, the tokens (or tool fragments), the finish, and the usage when asked. */
export interface Chunks {
  readonly role: unknown
  readonly tokens: ReadonlyArray<unknown>
  readonly finish: unknown
  readonly usage: unknown
  /** A chunk without any choice and without usage. */
  readonly noChoices: unknown
}

export const chunksOf = (reply: Reply): Chunks => {
  const { arguments: _, id, name } = toolCall
  const opening = { index: 0, id, type: "function", function: { name, arguments: "" } }
  const role = reply.callsTool
    ? { role: "assistant", content: null, refusal: null, tool_calls: [opening] }
    : { role: "assistant", content: "", refusal: null }
  const deltas = reply.callsTool
    ? toolFragments.map((text) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] }))
    : reply.tokens.map((content) => ({ content }))
  return {
    role: deltaChunk(reply, role),
    tokens: deltas.map((delta) => deltaChunk(reply, delta)),
    finish: chunk(reply, choice({}, reply.finishReason)),
    usage: reply.includeUsage ? chunk(reply, [], usageOf(deltas.length)) : undefined,
    noChoices: chunk(reply, [])
  }
}

/** A reply as one JSON body. */
export const completionOf = (reply: Reply) => {
  const { arguments: text, id, name } = toolCall
  const calls = [{ id, type: "function", function: { name, arguments: text } }]
  const content = reply.callsTool ? null : reply.tokens.join("")
  const spoken = { role: "assistant", content, refusal: null, annotations: [] }
  return {
    id: reply.id,
    object: "chat.completion",
    ...origin,
    model: reply.model,
    choices: [{
      index: 0,
      message: reply.callsTool ? { ...spoken, tool_calls: calls } : spoken,
      logprobs: null,
      finish_reason: reply.finishReason
    }],
    usage: usageOf(reply.callsTool ? toolFragments.length : reply.tokens.length)
  }
}

/** The four keys of an OpenAI error. */
export interface ErrorFacts {
  readonly message: string
  readonly type: string
  readonly param?: string
  readonly code?: string
}

/** The OpenAI error envelope, all four keys present. */
export const errorBody = ({ code, message, param, type }: ErrorFacts) => ({
  error: { message, type, param: param ?? null, code: code ?? null }
})
