/** What limits a request, and the most that it may take: from its caller, its text and its targets. */
import type { PriceBook } from "../accounting/Cost.ts"
import type { ChatRequest } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import type { PicoUsd } from "../domain/Money.ts"
import type { Budget, Principal } from "../domain/Principal.ts"
import type { Usage } from "../domain/Usage.ts"
import type { Purse } from "./Budget.ts"
import { estimate } from "./Estimate.ts"
import type { Line, Standings } from "./RateLimit.ts"

/** A request that is ready to be sent. */
export interface Asked {
  readonly caller: Principal | undefined
  readonly request: ChatRequest | EmbeddingRequest
  /** As it was written. */
  readonly text: string
  /** Who may answer it: the provider's name in the file and its name of the model. */
  readonly targets: ReadonlyArray<{ readonly provider: { readonly name: string }; readonly model: string }>
  readonly prices: PriceBook | undefined
  /** In milliseconds since 1970. */
  readonly atMs: number
  /** Hears how the rates stand, also of a request that is refused. */
  readonly note: (standings: Standings) => void
}

/** The limits and budgets of one caller. */
export interface Rules {
  readonly lines: ReadonlyArray<Line>
  readonly purses: ReadonlyArray<Purse>
}

/** Without any. */
export const none: Rules = { lines: [], purses: [] }

/** A budget under its name. */
export const purseOf = (name: string, { limit, per, soft }: Budget): Purse => ({ name, limit, per, soft })

/** What limits a caller, whatever it calls. */
export const rulesOf = (
  { budget, limits, name, tags = [] }: Principal,
  byTag: Readonly<Record<string, Budget>>
): Rules => {
  const lines: ReadonlyArray<Line> = limits === undefined ? [] : [{ ...limits, name: `key:${name}` }]
  const ofTags = [...new Set(tags)].flatMap((tag) => {
    const found = Object.hasOwn(byTag, tag) ? byTag[tag] : undefined
    return found === undefined ? [] : [purseOf(`tag:${tag}`, found)]
  })
  const purses = [...(budget === undefined ? [] : [purseOf(`key:${name}`, budget)]), ...ofTags]
  return lines.length === 0 && purses.length === 0 ? none : { lines, purses }
}

/** The same where it asks for what may have a price of its own: a service tier, or an answer that is spoken; undefined = it does not. */
const besides = (request: Asked["request"], usage: Usage): Usage | undefined => {
  if (!("messages" in request)) return undefined
  const { modalities, service_tier: tier } = request
  const isSpoken = modalities?.includes("audio") === true
  if (!isSpoken && (tier === undefined || tier === null)) return undefined
  return {
    ...usage,
    serviceTier: tier ?? undefined,
    audioCompletionTokens: isSpoken ? usage.completionTokens : undefined
  }
}

/** The most that it may cost at any of its targets; undefined = one of them has no known price. */
const boundOf = ({ atMs, prices, request, targets }: Asked, input: number, output: number): PicoUsd | undefined => {
  const usage = { promptTokens: input, completionTokens: output, totalTokens: input + output }
  const dearer = besides(request, usage)
  let most: PicoUsd = 0
  for (const { model, provider } of targets) {
    const cost = prices?.costOf(provider.name, model, usage, atMs)
    if (cost === undefined || "absent" in cost) return undefined
    if (cost.picoUsd > most) most = cost.picoUsd
    const more = dearer === undefined ? undefined : prices?.costOf(provider.name, model, dearer, atMs)
    if (more !== undefined && "picoUsd" in more && more.picoUsd > most) most = more.picoUsd
  }
  return most
}

/** About how many tokens it asks with, and the most that it may cost; undefined = a target of it has no known price. */
export const sizeOf = (asked: Asked): { readonly tokens: number; readonly bound: PicoUsd | undefined } => {
  const { about, input, output } = estimate(asked.request, asked.text)
  return { tokens: about, bound: boundOf(asked, input, output) }
}
