/**
 * What an answer cost: its tokens in kinds that do not overlap, times the price of each, to the pico-dollar. What the provider
 * said itself comes first; what is not known is absent with a reason, never 0.
 */
import type { CostAbsence } from "../domain/DecisionRecord.ts"
import type { TokenKinds } from "../domain/LedgerEntry.ts"
import { type OwnNames, saidOf } from "../domain/ModelName.ts"
import { type PicoUsd, plus, times, toUsd } from "../domain/Money.ts"
import type { Usage } from "../domain/Usage.ts"
import { byLength, type Estimator } from "./Estimate.ts"
import { compileOwn, type Dated, listPrice, type OwnPrices, type Price, priceIn, type Rates } from "./Prices.ts"

/** Tokens by the rate that they are charged at; input kinds add up to the prompt, output kinds to the completion. */
export type Buckets = { readonly [Kind in keyof Rates]: number }

/** What it cost and who said so, or why that is not known and, where its tokens could be guessed, what it may have been. */
export type Cost =
  | { readonly picoUsd: PicoUsd; readonly source: "provider" | "computed" }
  | { readonly absent: CostAbsence; readonly estimate?: PicoUsd }

const part = (count: number | undefined, whole: number): number =>
  count === undefined || count <= 0 ? 0 : count < whole ? count : whole

/**
 * The tokens of each kind. Where a provider's parts are larger than its whole, the cache counts first, then what was written to
 * it, then audio: no token is charged twice. Thinking is charged as output and is no kind of its own.
 */
export const bucketsOf = (usage: Usage): Buckets => {
  let input = Math.max(usage.promptTokens, 0)
  const cacheRead = part(usage.cachedTokens, input)
  input -= cacheRead
  const cacheWrite5m = part(usage.cacheWriteTokens, input)
  input -= cacheWrite5m
  const cacheWrite1h = part(usage.cacheWrite1hTokens, input)
  input -= cacheWrite1h
  const inputAudio = part(usage.audioPromptTokens, input)
  const output = Math.max(usage.completionTokens, 0)
  const outputAudio = part(usage.audioCompletionTokens, output)
  return {
    input: input - inputAudio,
    output: output - outputAudio,
    cacheRead,
    cacheWrite5m,
    cacheWrite1h,
    inputAudio,
    outputAudio
  }
}

/**
 * The same for the ledger, where images and thinking are kinds of their own. No part of them is known to be cached, so what was
 * cached counts first.
 */
export const tokensOf = (usage: Usage): TokenKinds => {
  const { cacheRead, cacheWrite1h, cacheWrite5m, input, inputAudio, output, outputAudio } = bucketsOf(usage)
  const inputImage = part(usage.imagePromptTokens, input)
  const reasoning = part(usage.reasoningTokens, output)
  return {
    input: input - inputImage,
    output: output - reasoning,
    cacheRead,
    cacheWrite5m,
    cacheWrite1h,
    inputAudio,
    outputAudio,
    inputImage,
    reasoning
  }
}

const kinds = [
  "input",
  "output",
  "cacheRead",
  "cacheWrite5m",
  "cacheWrite1h",
  "inputAudio",
  "outputAudio"
] as const satisfies ReadonlyArray<keyof Rates>

const noRate: Cost = { absent: "rate" }
const noUsage: Cost = { absent: "usage" }

/** Tokens times rates; a kind without a rate is no matter while there is no such token. */
const charge = (buckets: Buckets, rates: Rates): Cost => {
  let sum = 0
  for (const kind of kinds) {
    const count = buckets[kind]
    if (count === 0) continue
    const rate = rates[kind]
    if (rate === undefined) return noRate
    sum += count * rate
  }
  // No term is negative, so a safe sum had safe terms.
  if (Number.isSafeInteger(sum)) return { picoUsd: sum, source: "computed" }
  const exact = kinds.reduce<PicoUsd>((total, kind) => plus(total, times(buckets[kind], rates[kind] ?? 0)), 0)
  return { picoUsd: exact, source: "computed" }
}

/** The rates for this much input: those of the highest bound that it is above. */
const ratesFor = ({ base, tiers }: Price, promptTokens: number): Rates => {
  for (const { above, rates } of tiers) if (promptTokens > above) return rates
  return base
}

/** What the usage costs at a price; `region`: where it was made, unless the answer says something else. */
export const cost = (usage: Usage, price: Price, region?: string): Cost => {
  const { region: where = region, searches = 0, serviceTier: tier } = usage
  // What a search costs is no price of tokens, so the whole is not known.
  if (searches > 0) return noRate
  const local = priceIn(price, where)
  if (local === undefined) return { absent: "region" }
  const ruling = tier === undefined ? local : local.serviceTiers.get(tier)
  return ruling === undefined
    ? { absent: "tier" }
    : charge(bucketsOf(usage), ratesFor(ruling, usage.promptTokens))
}

/** Whose answers are charged. */
export interface PricedProvider extends OwnNames {
  /** Its name in the configuration. */
  readonly name: string
  readonly kind: string
  /** By model; they rule in place of the list's. */
  readonly prices?: Readonly<Record<string, OwnPrices>> | undefined
  /** Where its answers are made, where that has a price of its own; default the usual one. */
  readonly region?: string | undefined
}

/** The same of tokens that nobody counted: a price makes a cost of them no more than an estimate. */
export const asEstimate = (cost: Cost): Cost => "picoUsd" in cost ? { absent: "usage", estimate: cost.picoUsd } : cost

/** Prices of every provider at hand. */
export interface PriceBook {
  /** Who guesses at tokens that nobody counted. */
  readonly estimator: Estimator
  /** The cost of an answer of a provider's model that was asked for at a moment in ms since 1970. */
  readonly costOf: (provider: string, model: string, usage: Usage | undefined, atMs: number) => Cost
}

/** USD for a million tokens by their kind, as exact decimals; a kind that costs what plain input does is left out. */
export type ListedPrice = { readonly [Kind in keyof Rates]?: string }

/** The prices themselves. */
export interface PriceList {
  /** What a provider's model costs in its region, below any tier, at a moment in ms since 1970; undefined where that is not known. */
  readonly listed: (provider: string, model: string, atMs: number) => ListedPrice | undefined
}

const perMtok = 1_000_000

const listedOf = ({ base }: Price): ListedPrice => {
  const told: { -readonly [Kind in keyof Rates]?: string } = {}
  for (const kind of kinds) {
    const rate = base[kind]
    if (rate === undefined || (kind.startsWith("cache") && rate === base.input)) continue
    told[kind] = toUsd(times(perMtok, rate))
  }
  return told
}

/** Models that are remembered for each provider: callers make up names, and the next is looked up again. */
const remembered = 1024

const unpriced: Dated = { price: undefined, fromMs: 0, untilMs: Number.POSITIVE_INFINITY }

/** The lists are of no such places: AWS's for governments and in China have prices of their own. */
const isUnlisted = (region = ""): boolean => /^(?:us-gov|us-iso|cn)-/.test(region)

/** Remembers each model's price until the moment it may change. `served`: see `Usage`. */
const lookup = ({ deployments, kind, prices = {}, region }: PricedProvider) => {
  const own = new Map(Object.entries(prices).map(([model, written]) => [model, compileOwn(written, kind)]))
  const known = new Map<string, Dated>()
  // Names at Azure are the operator's own words, and may be those of another model.
  const isNamedFreely = kind === "azure-openai"
  return (asked: string, atMs: number, served?: string): Price | undefined => {
    const found = own.get(asked)
    if (found !== undefined) return found
    const model = isNamedFreely ? served ?? saidOf({ deployments }, asked) : asked
    if (model === undefined || isUnlisted(region)) return undefined
    const dated = known.get(model)
    if (dated !== undefined && atMs >= dated.fromMs && atMs < dated.untilMs) return dated.price
    if (known.size >= remembered) known.clear()
    const looked = listPrice(kind, model, atMs)
    known.set(model, looked.price === undefined && looked.untilMs === Number.POSITIVE_INFINITY ? unpriced : looked)
    return looked.price
  }
}

/** The book of these providers; of one that is not among them nothing is known. */
export const makeBook = (providers: Iterable<PricedProvider>, estimator = byLength): PriceBook & PriceList => {
  const lookups = new Map(
    Array.from(providers, (provider) => [provider.name, { price: lookup(provider), region: provider.region }])
  )
  const work = (provider: string, model: string, usage: Usage, atMs: number): Cost => {
    if (usage.reportedCost !== undefined) return { picoUsd: usage.reportedCost, source: "provider" }
    const found = lookups.get(provider)
    const price = found?.price(model, atMs, usage.servedModel)
    return price === undefined ? { absent: "model" } : cost(usage, price, found?.region)
  }
  // The cost of an answer is asked for by its head, its budget, its line and its ledger, one after the other.
  let last: { provider: string; model: string; usage: Usage; atMs: number; cost: Cost } | undefined
  return {
    estimator,
    costOf: (provider, model, usage, atMs) => {
      if (usage === undefined) return noUsage
      if (last?.usage === usage && last.atMs === atMs && last.model === model && last.provider === provider) {
        return last.cost
      }
      const cost = work(provider, model, usage, atMs)
      last = { provider, model, usage, atMs, cost }
      return cost
    },
    listed: (provider, model, atMs) => {
      const found = lookups.get(provider)
      const price = found?.price(model, atMs)
      const local = price === undefined ? undefined : priceIn(price, found?.region)
      return local === undefined ? undefined : listedOf(local)
    }
  }
}
