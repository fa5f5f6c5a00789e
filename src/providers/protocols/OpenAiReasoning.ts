/**
 * What OpenAI's own models refuse of a request that was written for another target of the alias: long ids of calls, and those that
 * reason `max_tokens` and, most of them, sampling. So it is put into their words; which models reason is the catalogue's to say.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
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

// Its keys are these.
const refusable = Object.keys(sampling) as ReadonlyArray<Sampling>

const isSaid = (request: ChatRequest, name: Sampling | "max_tokens"): boolean =>
  request[name] !== undefined && request[name] !== null

/** Some take sampling as long as they do not think, which is how they are unless they are told. */
const isThinking = ({ reasoning_effort: effort }: ChatRequest): boolean =>
  effort !== undefined && effort !== null && effort !== "none" && effort !== "default"

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
    const asked = refusable.filter((name) => isSaid(request, name))
    if (!hasLimit && asked.length === 0) return lowered
    const known = capabilitiesOf(kind, saidOf(names, model) ?? model)
    if (known.reasoning !== true) return lowered
    const takesSampling = known.sampling ?? !isThinking(request)
    const refused = takesSampling ? [] : asked
    if (!hasLimit && refused.length === 0) return lowered
    const mended = rewritten(lowered, (body) => {
      for (const name of refused) delete body[name]
      if (!hasLimit) return
      body["max_completion_tokens"] ??= body["max_tokens"]
      delete body["max_tokens"]
    })
    const unsaid = refused.filter((name) => request[name] !== sampling[name])
    const [first, ...more] = [...lowered.dropped ?? [], ...unsaid]
    return first === undefined ? mended : { ...mended, dropped: [first, ...more] }
  }
})

/** OpenAI's own dialect at its own address. */
export const openAiItself: Dialect = heedingModels(without(openAi, foreign), "openai")

/** The same at Azure, where a deployment is known by its model's name, be it its own or the one that is said of it. */
export const azureChatOf = (names: OwnNames): Dialect =>
  heedingModels(without(openAiChat, foreign), "azure-openai", names)
