/**
 * What OpenAI's own models refuse of a request that was written for another target of the alias: long ids of calls; those that
 * reason `max_tokens` and, most of them, sampling; those that do not an effort. So it is put into their words; which models reason is
 * the catalogue's to say.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Capabilities } from "../../domain/Model.ts"
import { type OwnNames, saidOf } from "../../domain/ModelName.ts"
import { capabilitiesOf } from "../Catalogue.ts"
import type { Dialect } from "../Dialect.ts"
import { withFittedIds } from "./FittedIds.ts"
import { openAi, openAiChat, rewritten } from "./OpenAiChatDialect.ts"
import { foreign, without } from "./StrictChat.ts"

/** Members that are refused, with the value that says nothing. */
const sampling = {
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  logprobs: false,
  top_logprobs: 0
} as const

type Sampling = keyof typeof sampling
type Refusable = Sampling | "reasoning_effort"

// Its keys are these.
const samplings = Object.keys(sampling) as ReadonlyArray<Sampling>
const refusable: ReadonlyArray<Refusable> = ["reasoning_effort", ...samplings]

const isSaid = (request: ChatRequest, name: Refusable | "max_tokens"): boolean =>
  request[name] !== undefined && request[name] !== null

/** Some take sampling as long as they do not think, which is how they are unless they are told. */
const isThinking = ({ reasoning_effort: effort }: ChatRequest): boolean =>
  effort !== undefined && effort !== null && effort !== "none" && effort !== "default"

const saysNothing = (request: ChatRequest, name: Refusable): boolean =>
  name === "reasoning_effort" ? !isThinking(request) : request[name] === sampling[name]

/** What a model refuses of the request; nothing is known of one that is not in the catalogue. */
const refusedBy = ({ reasoning, sampling: takes }: Capabilities, request: ChatRequest): ReadonlyArray<Refusable> => {
  const takesEffort = reasoning !== false
  const takesSampling = reasoning !== true || (takes ?? !isThinking(request))
  return refusable.filter((name) =>
    isSaid(request, name) && (name === "reasoning_effort"
      // One of its words is Groq's alone.
      ? !takesEffort || request.reasoning_effort === "default"
      : !takesSampling)
  )
}

/** Longer ids of calls have been answered with a 400, and other providers make some. */
const ids = { fits: /^.{0,40}$/s, length: 32 } as const

/** This dialect for the models of a kind. */
const heedingModels = (dialect: Dialect, kind: "openai" | "azure-openai", names: OwnNames = {}): Dialect => ({
  ...dialect,
  lower: (call, stream) => {
    const { model, request } = call
    const said = dialect.lower(call, stream)
    if ("_tag" in said) return said
    const lowered = withFittedIds(said, request, ids)
    const hasLimit = isSaid(request, "max_tokens")
    if (!hasLimit && !refusable.some((name) => isSaid(request, name))) return lowered
    const known = capabilitiesOf(kind, saidOf(names, model) ?? model)
    const refused = refusedBy(known, request)
    const isRenamed = hasLimit && known.reasoning === true
    if (!isRenamed && refused.length === 0) return lowered
    const mended = rewritten(lowered, (body) => {
      for (const name of refused) delete body[name]
      if (!isRenamed) return
      body["max_completion_tokens"] ??= body["max_tokens"]
      delete body["max_tokens"]
    })
    const unsaid = refused.filter((name) => !saysNothing(request, name))
    const [first, ...more] = [...lowered.dropped ?? [], ...unsaid]
    return first === undefined ? mended : { ...mended, dropped: [first, ...more] }
  }
})

/** OpenAI's own dialect at its own address. */
export const openAiItself: Dialect = heedingModels(without(openAi, foreign), "openai")

/** The same at Azure, where a deployment is known by its model's name, be it its own or the one that is said of it. */
export const azureChatOf = (names: OwnNames): Dialect =>
  heedingModels(without(openAiChat, foreign), "azure-openai", names)
