/** What callers may put in `model`, with what is known of it: what it can do, and what it costs at the moment that somebody asks. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ListedPrice, PriceList } from "../accounting/Cost.ts"
import type { Capabilities } from "../domain/Model.ts"
import { needed, ofTarget } from "./Abilities.ts"
import { Pricing } from "./Pricing.ts"
import type { Target } from "./Target.ts"

export interface ModelListing {
  readonly id: string
  readonly ownedBy: string
  /** Absent = nothing is known. */
  readonly capabilities?: Capabilities | undefined
  /** USD for a million tokens by their kind, as exact decimals; absent = not known, or its targets differ. */
  readonly usdPerMtok?: ListedPrice | undefined
  /** Of an alias: the names of its targets. */
  readonly targets?: ReadonlyArray<string> | undefined
}

/** The targets of an alias, with what is known of each. */
export type Able = ReadonlyMap<Target, Capabilities>

/** A model before it is asked what it costs. */
interface Listed {
  readonly id: string
  readonly ownedBy: string
  readonly isAlias?: true
  /** With what is known of each. */
  readonly targets: Able
}

const known = (target: Target): Able => new Map([[target, ofTarget(target)]])

/** Aliases first, then `provider/model` names, then the bare names that no alias has. */
const gather = (
  aliases: ReadonlyMap<string, { readonly able: Able }>,
  listed: ReadonlyArray<Target>,
  bare: ReadonlyMap<string, Target>
): ReadonlyArray<Listed> => [
  ...[...aliases].map(([id, { able }]): Listed => ({ id, ownedBy: "breakwater", isAlias: true, targets: able })),
  ...listed.map((target) => ({ id: target.name, ownedBy: target.provider.name, targets: known(target) })),
  ...[...bare].filter(([model]) => !aliases.has(model)).map(([model, target]) => ({
    id: model,
    ownedBy: target.provider.name,
    targets: known(target)
  }))
]

const sameOf = <A>(values: ReadonlyArray<A>): A | undefined =>
  values.every((value) => value === values[0]) ? values[0] : undefined

const largestOf = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const largest = Math.max(...values.map((value) => value ?? Number.NaN))
  return Number.isNaN(largest) ? undefined : largest
}

/** Not sampling: some dialects are asked all the same, and leave it out. */
const routed: ReadonlySet<string> = new Set<string>(needed.filter((name) => name !== "sampling"))

/** What a request can have of any of several targets, where each gets only the requests that it can serve. */
const together = (all: ReadonlyArray<Capabilities>): Capabilities => {
  const told = (name: Exclude<keyof Capabilities, "context" | "maxOutput">) => {
    const values = all.map((one) => one[name])
    return routed.has(name) && values.includes(true) ? true : sameOf(values)
  }
  const whole = {
    context: largestOf(all.map(({ context }) => context)),
    maxOutput: largestOf(all.map(({ maxOutput }) => maxOutput)),
    vision: told("vision"),
    tools: told("tools"),
    jsonSchema: told("jsonSchema"),
    prefill: told("prefill"),
    reasoning: told("reasoning"),
    sampling: told("sampling")
  }
  // What is left has the type of its member, for only absent ones were dropped.
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined)) as Capabilities
}

/** The same price has the same text. */
const priceOf = (
  targets: Able,
  book: PriceList,
  atMs: number
): ListedPrice | undefined => {
  const prices = [...targets.keys()].map(({ model, provider }) => book.listed(provider.name, model, atMs))
  return sameOf(prices.map((price) => JSON.stringify(price))) === undefined ? undefined : prices[0]
}

/** The model as it is at a moment in ms since 1970. */
const show = (
  { id, isAlias, ownedBy, targets }: Listed,
  book: PriceList,
  atMs: number
): ModelListing => {
  const capabilities = together([...targets.values()])
  return {
    id,
    ownedBy,
    capabilities: Object.keys(capabilities).length === 0 ? undefined : capabilities,
    usdPerMtok: priceOf(targets, book, atMs),
    targets: isAlias === true ? [...targets.keys()].map(({ name }) => name) : undefined
  }
}

/** All of them, as they are when somebody asks. */
export const make = (
  ...all: Parameters<typeof gather>
): Effect.Effect<Effect.Effect<ReadonlyArray<ModelListing>>, never, Pricing> =>
  Effect.map(Pricing, ({ current }) => {
    const models = gather(...all)
    return Effect.map(Clock.currentTimeMillis, (nowMs) => models.map((one) => show(one, current(), nowMs)))
  })
