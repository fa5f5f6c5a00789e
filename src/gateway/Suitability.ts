/**
 * Which targets of a route can serve a request at all. Those that cannot are passed over before anybody is asked, and the record
 * says why. A guess about length only chooses between targets, it never refuses: the upstream's own word does.
 */
import type { ChatRequest } from "../domain/Chat.ts"
import { type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import { type Abilities, isWithout, type Needed } from "./Abilities.ts"
import type { CompletionRequest, EmbeddingsRequest } from "./FlowRequest.ts"
import type { Route } from "./Route.ts"
import type { Target } from "./Target.ts"

/** How a target falls short, in the words of the record. */
type Shortcoming =
  | "no vision"
  | "no tools"
  | "no json schema"
  | "no prefill"
  | "no sampling"
  | "answers too short"
  | "context too small"

interface Need {
  readonly why: Shortcoming
  /** The member of the request that needs it. */
  readonly param: string
  readonly isOf: (request: ChatRequest) => boolean
}

const hasImage = ({ messages }: ChatRequest): boolean =>
  messages.some(({ content }) => Array.isArray(content) && content.some(({ type }) => type === "image_url"))

const hasSome = (list: ReadonlyArray<unknown> | null | undefined): boolean => (list?.length ?? 0) > 0

/** The last message is an answer that is to be gone on with. */
const endsInAnswer = ({ messages }: ChatRequest): boolean => {
  const last = messages.at(-1)
  if (last?.role !== "assistant" || hasSome(last.tool_calls)) return false
  return typeof last.content === "string" ? last.content.trim() !== "" : hasSome(last.content)
}

const needs: { readonly [Name in Needed]: Need } = {
  vision: { why: "no vision", param: "messages", isOf: hasImage },
  tools: { why: "no tools", param: "tools", isOf: ({ functions, tools }) => hasSome(tools) || hasSome(functions) },
  jsonSchema: {
    why: "no json schema",
    param: "response_format",
    isOf: ({ response_format: format }) => format?.type === "json_schema"
  },
  prefill: { why: "no prefill", param: "messages", isOf: endsInAnswer },
  sampling: {
    why: "no sampling",
    param: "temperature",
    isOf: ({ temperature, top_p: topP }) => (temperature ?? 1) !== 1 || (topP ?? 1) !== 1
  }
}

/** No text of people or programs has more characters to a token for long; images count for nothing here. */
const charactersPerToken = 6

const lengthOf = (content: unknown): number => {
  if (typeof content === "string") return content.length
  if (!Array.isArray(content)) return 0
  return content.reduce<number>(
    (sum, part: { readonly text?: unknown }) => sum + (typeof part.text === "string" ? part.text.length : 0),
    0
  )
}

/** Fewer tokens than these it cannot have. */
const leastTokens = ({ messages }: ChatRequest): number =>
  messages.reduce((sum, { content }) => sum + lengthOf(content), 0) / charactersPerToken

const contextOf = ({ of }: Abilities, target: Target): number => of.get(target)?.context ?? Number.POSITIVE_INFINITY

/** It is so short that it may fit everywhere: one comparison, for nearly every request. */
const isShort = ({ narrowest }: Abilities, { source }: CompletionRequest): boolean =>
  source.text.length <= narrowest * charactersPerToken

/** The targets whose context is large enough; where none is, those with the largest. */
const wideEnough = (
  abilities: Abilities,
  targets: ReadonlyArray<Target>,
  { request }: CompletionRequest
): ReadonlyArray<Target> => {
  const tokens = leastTokens(request)
  const wide = targets.filter((target) => contextOf(abilities, target) >= tokens)
  if (wide.length > 0) return wide
  const widest = Math.max(...targets.map((target) => contextOf(abilities, target)))
  return targets.filter((target) => contextOf(abilities, target) === widest)
}

const without = (
  abilities: Abilities,
  targets: ReadonlyArray<Target>,
  name: Needed
): { readonly able: ReadonlyArray<Target>; readonly unable: ReadonlyArray<Target> } => {
  const lacks = (target: Target) => isWithout(abilities, target, name)
  return { able: targets.filter((target) => !lacks(target)), unable: targets.filter(lacks) }
}

/** It needs nothing but another value. */
const onlyOne = ({ temperature, top_p: topP }: ChatRequest): GatewayError => {
  const [param, got] = (temperature ?? 1) === 1 ? ["top_p", topP] : ["temperature", temperature]
  const message = `Invalid '${param}': this model takes only 1, got ${got}. Change it, or leave it out.`
  return gatewayError(new InvalidRequest({ message, param, code: "unsupported_value" }))
}

const refusal = (route: Route, { decision, request }: CompletionRequest, { param, why }: Need): GatewayError => {
  if (decision.skipped.every((one) => one.why === why) && why === "no sampling") return onlyOne(request)
  const all = decision.skipped.map((one) => `${one.target} (${one.why})`).join(", ")
  const message = route.targets.length === 1
    ? `The model cannot serve this request: ${all}.`
    : `No target of the model can serve this request: ${all}.`
  return gatewayError(new InvalidRequest({ message, param, code: "unsupported_capability" }))
}

const longestOf = ({ of }: Abilities, target: Target): number => of.get(target)?.maxOutput ?? Number.POSITIVE_INFINITY

/** The most tokens of an answer that the caller wants; 0 = it says nothing. */
const wantedOf = ({ max_completion_tokens: wanted, max_tokens: older }: ChatRequest): number => wanted ?? older ?? 0

/** An answer as long as that is known to be beyond every target that is left. */
const tooLongAnswer = (abilities: Abilities, targets: ReadonlyArray<Target>, request: ChatRequest): GatewayError => {
  const param = typeof request.max_completion_tokens === "number" ? "max_completion_tokens" : "max_tokens"
  const most = Math.max(...targets.map((target) => longestOf(abilities, target)))
  const message = `Invalid '${param}': answers of this model have at most ${most} tokens, got ${wantedOf(request)}. ` +
    "Lower it, or leave it out."
  return gatewayError(new InvalidRequest({ message, param, code: "unsupported_value" }))
}

const judge = (
  route: Route,
  abilities: Abilities,
  request: CompletionRequest
): ReadonlyArray<Target> | GatewayError => {
  const { decision } = request
  let targets = route.targets
  const skip = (skipped: ReadonlyArray<Target>, why: Shortcoming): void => {
    for (const target of skipped) decision.skipped.push({ target: target.name, why })
  }
  for (const name of abilities.missing) {
    const need = needs[name]
    if (!need.isOf(request.request)) continue
    const { able, unable } = without(abilities, targets, name)
    skip(unable, need.why)
    if (able.length === 0) return refusal(route, request, need)
    targets = able
  }
  const wanted = wantedOf(request.request)
  if (wanted > abilities.tersest) {
    const able = targets.filter((target) => longestOf(abilities, target) >= wanted)
    skip(targets.filter((target) => !able.includes(target)), "answers too short")
    if (able.length === 0) return tooLongAnswer(abilities, targets, request.request)
    targets = able
  }
  if (isShort(abilities, request)) return targets
  const wide = wideEnough(abilities, targets, request)
  skip(targets.filter((target) => !wide.includes(target)), "context too small")
  return wide
}

/** The route with the targets that can serve the request, or why none can. The same route where nothing is known against any. */
export const forChat = (route: Route, request: CompletionRequest): Route | GatewayError => {
  const { abilities } = route
  if (
    abilities === undefined ||
    (abilities.missing.length === 0 && isShort(abilities, request) && wantedOf(request.request) <= abilities.tersest)
  ) return route
  const targets = judge(route, abilities, request)
  if ("_tag" in targets) return targets
  return targets.length === route.targets.length ? route : { ...route, targets }
}

const canEmbed = ({ model, provider }: Target): boolean =>
  provider.embed !== undefined && provider.embeds?.(model) !== false

/** The route with the targets that have embeddings, or why none has. */
export const forEmbeddings = (route: Route, { decision }: EmbeddingsRequest): Route | GatewayError => {
  const targets = route.targets.filter(canEmbed)
  if (targets.length === route.targets.length) return route
  for (const target of route.targets) {
    if (!canEmbed(target)) decision.skipped.push({ target: target.name, why: "no embeddings" })
  }
  return targets.length > 0 ? { ...route, targets } : gatewayError(
    new InvalidRequest({
      message: `No embeddings can be had from ${route.names.join(", ")}. Ask for an embedding model.`,
      param: "model",
      code: "embeddings_not_supported"
    })
  )
}
