/** Every parameter of OpenAI's chat request with a value that says something, and what each dialect makes of it. */
import type { ChatRequest } from "../src/domain/Chat.ts"
import type { Dialect } from "../src/providers/Dialect.ts"
import { anthropicMessages, usualVersion } from "../src/providers/protocols/AnthropicMessages.ts"
import { bedrockConverse } from "../src/providers/protocols/BedrockConverse.ts"
import { geminiGenerate } from "../src/providers/protocols/GeminiGenerate.ts"
import type { ProviderCall } from "../src/providers/Provider.ts"

/** A parameter, or a part of one. `beside`: what else the request has to have for it to make sense. */
export interface Probe {
  readonly label: string
  readonly says: Partial<ChatRequest> & Readonly<Record<string, unknown>>
  readonly beside?: Partial<ChatRequest>
  readonly stream?: boolean
}

const tool = { type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } } as const
const tools = { tools: [tool, { type: "function", function: { name: "tell" } }] } as const
const schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false }

const asking = (more: Readonly<Record<string, unknown>>, imageMore: Readonly<Record<string, unknown>> = {}) => {
  const url = { url: "data:image/png;base64,iVBORw0KGgo=", ...imageMore }
  const text = { type: "text", text: "hi", ...more } as const
  return { messages: [{ role: "user", content: [text, { type: "image_url", image_url: url }] }] } as const
}

/** By the name of the member first; a member that has several rows has them one after the other. */
export const probes: ReadonlyArray<Probe> = [
  { label: "max_completion_tokens", says: { max_completion_tokens: 50 } },
  { label: "max_tokens", says: { max_tokens: 50 } },
  { label: "temperature", says: { temperature: 0.5 } },
  { label: "temperature over 1", says: { temperature: 1.5 } },
  { label: "top_p", says: { top_p: 0.5 } },
  { label: "frequency_penalty", says: { frequency_penalty: 0.5 } },
  { label: "presence_penalty", says: { presence_penalty: 0.5 } },
  { label: "n over 1", says: { n: 2 } },
  { label: "stop", says: { stop: ["END"] } },
  { label: "seed", says: { seed: 7 } },
  { label: "logit_bias", says: { logit_bias: { 50256: -100 } } },
  { label: "logprobs", says: { logprobs: true } },
  { label: "logprobs in a stream", says: { logprobs: true }, stream: true },
  { label: "top_logprobs", says: { top_logprobs: 2 }, beside: { logprobs: true } },
  { label: "tools", says: tools },
  {
    label: "tools: strict",
    says: { tools: [{ type: "function", function: { ...tool.function, strict: true } }] },
    beside: { tools: [tool] }
  },
  { label: "tools of the type custom", says: { tools: [{ type: "custom", custom: { name: "free" } }] } },
  { label: "tool_choice: none", says: { tool_choice: "none" }, beside: tools },
  { label: "tool_choice: required", says: { tool_choice: "required" }, beside: tools },
  {
    label: "tool_choice: a function",
    says: { tool_choice: { type: "function", function: { name: "look" } } },
    beside: tools
  },
  {
    label: "tool_choice: allowed_tools",
    says: {
      tool_choice: {
        type: "allowed_tools",
        allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "look" } }] }
      }
    },
    beside: tools
  },
  { label: "parallel_tool_calls: false", says: { parallel_tool_calls: false }, beside: tools },
  { label: "functions", says: { functions: [{ name: "look" }] } },
  { label: "function_call", says: { function_call: { name: "look" } }, beside: { functions: [{ name: "look" }] } },
  {
    label: "response_format: json_schema",
    says: { response_format: { type: "json_schema", json_schema: { name: "a", schema, strict: true } } }
  },
  { label: "response_format: json_object", says: { response_format: { type: "json_object" } } },
  { label: "reasoning_effort", says: { reasoning_effort: "low" } },
  { label: "verbosity", says: { verbosity: "low" } },
  { label: "modalities: audio", says: { modalities: ["text", "audio"] } },
  { label: "modalities: image", says: { modalities: ["text", "image"] } },
  { label: "audio", says: { audio: { voice: "alloy", format: "wav" } } },
  { label: "prediction", says: { prediction: { type: "content", content: "a" } } },
  { label: "web_search_options", says: { web_search_options: {} } },
  { label: "service_tier: flex", says: { service_tier: "flex" } },
  { label: "store", says: { store: true } },
  { label: "metadata", says: { metadata: { a: "b" } } },
  { label: "prompt_cache_key", says: { prompt_cache_key: "k" } },
  { label: "prompt_cache_options", says: { prompt_cache_options: { mode: "explicit" } } },
  { label: "prompt_cache_retention", says: { prompt_cache_retention: "24h" } },
  { label: "safety_identifier", says: { safety_identifier: "u-1" } },
  { label: "user", says: { user: "u-1" } },
  { label: "moderation", says: { moderation: { model: "omni-moderation-latest" } } },
  { label: "messages: name", says: { messages: [{ role: "user", content: "hi", name: "Ada" }] } },
  { label: "messages: detail of an image", says: asking({}, { detail: "high" }), beside: asking({}) },
  {
    label: "messages: cache_control",
    says: asking({ cache_control: { type: "ephemeral" } }),
    beside: asking({})
  }
]

/** A dialect before one model, whose name decides about some of it. */
export interface Speaker {
  readonly label: string
  readonly model: string
  readonly dialect: Dialect
}

const anthropic = anthropicMessages({ version: usualVersion })

export const speakers: ReadonlyArray<Speaker> = [
  { label: "Anthropic, Sonnet 4.5", model: "claude-sonnet-4-5", dialect: anthropic },
  { label: "Anthropic, Opus 4.7", model: "claude-opus-4-7", dialect: anthropic },
  { label: "Gemini 2.5", model: "gemini-2.5-flash", dialect: geminiGenerate },
  { label: "Gemini 3", model: "gemini-3-flash-preview", dialect: geminiGenerate },
  {
    label: "Bedrock, Sonnet 4.5",
    model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    dialect: bedrockConverse
  },
  { label: "Bedrock, Nova 2", model: "us.amazon.nova-2-lite-v1:0", dialect: bedrockConverse }
]

type MakeCall = (model: string, fields: Partial<ChatRequest>) => ProviderCall

const call: MakeCall = (model, fields) => ({
  source: { text: "", members: new Map() },
  request: { model: "alias", messages: [{ role: "user", content: "hi" }], ...fields },
  model,
  requestId: "probe"
})

/** `silent` is none of the answers that a dialect may give. */
export type Fate = "said" | "in part" | "left out" | "refused" | "silent"

/** `make`: for a dialect that needs the caller's text. */
export const fateOf = (
  { dialect, model }: Speaker,
  { beside = {}, says, stream = false }: Probe,
  make: MakeCall = call
): Fate => {
  const without = dialect.lower(make(model, beside), stream)
  const lowered = dialect.lower(make(model, { ...beside, ...says }), stream)
  if ("_tag" in lowered || "_tag" in without) return "refused"
  const isNamed = lowered.dropped !== undefined && lowered.dropped.some((name) => !without.dropped?.includes(name))
  if (lowered.body === without.body) return isNamed ? "left out" : "silent"
  return isNamed ? "in part" : "said"
}
