/**
 * The prices in force. A request keeps the book that it began with, so new prices are for those that begin later. Only what the file
 * says can change while the process runs: the list is part of the program.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { makeBook, type PriceBook, type PriceList } from "../accounting/Cost.ts"
import type { OwnPrices } from "../accounting/Prices.ts"
import { Providers } from "../providers/Providers.ts"

/** What the file says about prices, by the provider's name. */
export interface PriceSettings {
  /** By model, in place of the list's; default none. */
  readonly prices?: Readonly<Record<string, Readonly<Record<string, OwnPrices>>>> | undefined
  /** Where answers are made, where that has a price of its own; default none. */
  readonly regions?: Readonly<Record<string, string>> | undefined
}

export class Pricing extends Context.Service<Pricing, {
  readonly current: () => PriceBook & PriceList
  /** Puts others in force, and says what is different: `provider/model`, or `provider` for its region. */
  readonly replace: (settings: PriceSettings) => ReadonlyArray<string>
}>()("breakwater/gateway/Pricing") {}

/** Everything that the file says, by what it is said of. */
const statements = ({ prices = {}, regions = {} }: PriceSettings): ReadonlyMap<string, string> =>
  new Map([
    ...Object.entries(prices).flatMap(([provider, models]) =>
      Object.entries(models).map(([model, written]) => [`${provider}/${model}`, JSON.stringify(written)] as const)
    ),
    ...Object.entries(regions)
  ])

const differences = (before: PriceSettings, after: PriceSettings): ReadonlyArray<string> => {
  const [old, young] = [statements(before), statements(after)]
  return [...new Set([...old.keys(), ...young.keys()])].filter((name) => old.get(name) !== young.get(name))
}

const make = Effect.fnUntraced(function*(first: PriceSettings) {
  const { providers } = yield* Providers
  const bookOf = ({ prices, regions }: PriceSettings): PriceBook & PriceList =>
    makeBook(Array.from(providers.values(), ({ deployments, kind, name }) => ({
      name,
      kind,
      deployments,
      prices: prices?.[name],
      region: regions?.[name]
    })))
  let settings = first
  let book = bookOf(first)
  return Pricing.of({
    current: () => book,
    replace: (next) => {
      const changed = differences(settings, next)
      settings = next
      if (changed.length > 0) book = bookOf(next)
      return changed
    }
  })
})

/** Over the providers it finds. */
export const layer = (settings: PriceSettings): Layer.Layer<Pricing, never, Providers> =>
  Layer.effect(Pricing, make(settings))
