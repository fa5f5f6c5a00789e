/** What a simulated model says: a pure function of the request and a number, cut by `stop` and the token limit. A token is four characters. */
import type { Usage } from "../domain/Usage.ts"
import { describeImage } from "./SimulatedImage.ts"
import { imageUrlsOf, type JsonRecord, type SimulatedRequest, textOf } from "./SimulatedRequest.ts"
import { smallestInstance } from "./SimulatedSchema.ts"

export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON text. */
  readonly arguments: string
}

export interface Choice {
  readonly reasoning: ReadonlyArray<string>
  /** Tokens; joined they are the text. */
  readonly content: ReadonlyArray<string>
  readonly toolCalls: ReadonlyArray<ToolCall>
  readonly finishReason: "stop" | "length" | "tool_calls" | "content_filter"
}

export interface Reply {
  /** Eight hex digits, the same for the same request. */
  readonly hash: string
  readonly choices: ReadonlyArray<Choice>
  readonly usage: Usage
}

/** What a model says before limits. */
interface Draft {
  readonly text: string
  readonly reasoning?: string
  readonly toolCalls?: ReadonlyArray<ToolCall>
  readonly filtered?: boolean
}

export type Speaker = (request: SimulatedRequest, hash: number) => Draft

/** FNV-1a, 32 bits. */
export const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

const hex = (hash: number): string => hash.toString(16).padStart(8, "0")

const tokensOf = (text: string): ReadonlyArray<string> => text.match(/[^]{1,4}/gu) ?? []

const openings: readonly [(quote: string) => string, ...Array<(quote: string) => string>] = [
  (quote: string) => `You wrote: “${quote}”.`,
  (quote: string) => `Your message reached the model intact: “${quote}”.`,
  (quote: string) => `Here is the simulated answer to “${quote}”.`
]
const bodies: readonly [string, ...Array<string>] = [
  "It was answered inside the gateway by the simulated provider, so it needed no key and nothing left this machine.",
  "No key was needed and no request left this machine, because the simulated provider of the gateway answered it.",
  "The gateway's own simulated provider made this text from the request and a seed, without any key or network."
]
const closings: readonly [string, ...Array<string>] = [
  "Name a real provider in the configuration and the same request goes there unchanged.",
  "Add a real provider to the configuration and send exactly the same request again."
]

const pick = <A>(options: readonly [A, ...Array<A>], hash: number): A => options[hash % options.length] ?? options[0]

const shortened = (text: string): string => {
  const words = text.trim().split(/\s+/)
  const head = words.slice(0, 16).join(" ")
  return words.length > 16 || head.length > 120 ? `${head.slice(0, 120)}…` : head
}

const prose = (quote: string, hash: number): string =>
  `${pick(openings, hash)(quote === "" ? "(no text)" : shortened(quote))} ${pick(bodies, hash >>> 4)} ${
    pick(closings, hash >>> 8)
  }`

/** JSON when the request asks for it, prose about the last user message otherwise. */
export const speak: Speaker = (request, hash) => ({
  text: request.schema === undefined
    ? prose(request.lastUserText, hash)
    : JSON.stringify(smallestInstance(request.schema) ?? {})
})

export const speakWithReasoning: Speaker = (request, hash) => ({
  ...speak(request, hash),
  reasoning: `The user says “${shortened(request.lastUserText)}”. A short and honest answer is best.`
})

export const speakFiltered: Speaker = (request, hash) => ({
  text: speak(request, hash).text.slice(0, 20),
  filtered: true
})

/** Calls the functions it is offered; once their results are there, quotes them. */
export const speakWithTools: Speaker = (request, hash) => {
  const results: Array<JsonRecord> = []
  for (const message of request.messages.toReversed()) {
    if (message["role"] !== "tool") break
    results.unshift(message)
  }
  if (results.length > 0) {
    return { text: `The tools answered: ${results.map((result) => `“${textOf(result["content"])}”`).join(" and ")}.` }
  }
  const called = request.tools.slice(0, request.parallelToolCalls ? 2 : 1)
  if (called.length === 0) return speak(request, hash)
  return {
    text: "",
    toolCalls: called.map((tool, index) => ({
      id: `call_sim_${hex(hash)}${index}`,
      name: tool.name,
      arguments: JSON.stringify(smallestInstance(tool.parameters ?? {}) ?? {})
    }))
  }
}

export const speakOfImages: Speaker = (request, hash) => {
  const images = request.messages.flatMap((message) => imageUrlsOf(message["content"]))
  if (images.length === 0) return speak(request, hash)
  return { text: images.map((url, index) => `Image ${index + 1}: ${describeImage(url)}.`).join(" ") }
}

const cutAtStop = (text: string, stop: ReadonlyArray<string>): string => {
  const places = stop.map((end) => text.indexOf(end)).filter((place) => place >= 0)
  return places.length === 0 ? text : text.slice(0, Math.min(...places))
}

const limited = (draft: Draft, request: SimulatedRequest): Choice => {
  const toolCalls = draft.toolCalls ?? []
  const allReasoning = tokensOf(draft.reasoning ?? "")
  const allContent = tokensOf(cutAtStop(draft.text, request.stop))
  const reasoning = allReasoning.slice(0, request.maxTokens)
  const content = allContent.slice(0, request.maxTokens - reasoning.length)
  const isCut = reasoning.length < allReasoning.length || content.length < allContent.length
  const end = isCut ? "length" : draft.filtered === true ? "content_filter" : "stop"
  return { reasoning, content, toolCalls, finishReason: toolCalls.length > 0 ? "tool_calls" : end }
}

/** What an image part counts for, whatever its size. */
const imageTokens = 85

const promptTokensOf = (request: SimulatedRequest): number => {
  let tokens = 0
  for (const message of request.messages) {
    tokens += Math.ceil(textOf(message["content"]).length / 4) + imageUrlsOf(message["content"]).length * imageTokens
  }
  return Math.max(tokens, 1)
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)

/** The same request, model and seed always give the same reply. Limits do not cut tool calls. */
export const replyTo = (request: SimulatedRequest, model: string, seed: number, speaker: Speaker): Reply => {
  const hash = hashOf(`${seed}|${request.seed ?? ""}|${model}|${request.messages.length}|${request.lastUserText}`)
  const choices = Array.from({ length: request.n }, (_, index) => limited(speaker(request, hash + index), request))
  const promptTokens = promptTokensOf(request)
  const reasoningTokens = sum(choices.map((choice) => choice.reasoning.length))
  const completionTokens = reasoningTokens +
    sum(
      choices.map((choice) =>
        choice.content.length + sum(choice.toolCalls.map((call) => tokensOf(call.name + call.arguments).length))
      )
    )
  return {
    hash: hex(hash),
    choices,
    usage: {
      promptTokens,
      completionTokens,
      totalTokens: promptTokens + completionTokens,
      cachedTokens: 0,
      reasoningTokens
    }
  }
}
