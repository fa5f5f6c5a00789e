/** What callers may put in `model`, with what is known of it: what it can do, and what it costs at the moment that somebody asks. */
import { type ListedPrice, makeBook } from "../accounting/Cost.ts"
import type { ModelPrices } from "../accounting/Prices.ts"
import type { Capabilities } from "../domain/Model.ts"
import type { Provider } from "../providers/Provider.ts"
import { needed, ofTarget } from "./Abilities.ts"
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

/** A model before it is asked what it costs. */
export interface Listed {
  readonly id: string
  readonly ownedBy: string
  readonly isAlias?: true
  /** With what is known of each. */
  readonly targets: ReadonlyMap<Target, Capabilities>
}

const known = (target: Target): Listed["targets"] => new Map([[target, ofTarget(target)]])

/** Aliases first, then `provider/model` names, then the bare names that no alias has. */
export const gather = (
  aliases: ReadonlyMap<string, { readonly able: Listed["targets"] }>,
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

/** Prices by provider name and model, in place of the list's. */
export type OwnPrices = Readonly<Record<string, Readonly<Record<string, ModelPrices>>>>

/** The prices of these providers. */
export const bookOf = (providers: ReadonlyMap<string, Provider>, own: OwnPrices = {}) =>
  makeBook(Array.from(providers.values(), ({ kind, name }) => ({ name, kind, prices: own[name] })))

const sameOf = <A>(values: ReadonlyArray<A>): A | undefined =>
  values.every((value) => value === values[0]) ? values[0] : undefined

const largestOf = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const largest = Math.max(...values.map((value) => value ?? Number.NaN))
  return Number.isNaN(largest) ? undefined : largest
}

const routed: ReadonlySet<string> = new Set<string>(needed)

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
  targets: Listed["targets"],
  book: ReturnType<typeof bookOf>,
  atMs: number
): ListedPrice | undefined => {
  const prices = [...targets.keys()].map(({ model, provider }) => book.listed(provider.name, model, atMs))
  return sameOf(prices.map((price) => JSON.stringify(price))) === undefined ? undefined : prices[0]
}

/** The model as it is at a moment in ms since 1970. */
export const show = (
  { id, isAlias, ownedBy, targets }: Listed,
  book: ReturnType<typeof bookOf>,
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
