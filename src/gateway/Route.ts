/**
 * From the `model` a caller names to the targets that may answer it, in the order they are asked. An alias of the file wins,
 * then `provider/model`, then a bare model that a provider lists itself; of two providers the first.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { ParameterPolicy } from "../providers/Provider.ts"
import { Providers } from "../providers/Providers.ts"
import type { TimeoutSettings } from "../resilience/Deadline.ts"
import * as Abilities from "./Abilities.ts"
import type { AliasSettings, OnInterrupted } from "./AliasSettings.ts"
import * as Listing from "./Listing.ts"
import * as Moderation from "./Moderation.ts"
import type { Pricing } from "./Pricing.ts"
import { type Target, Targets } from "./Target.ts"
import { type Caller, unknownModel } from "./UnknownModel.ts"

/** The targets of one request, first choice first. */
export interface Route {
  readonly targets: ReadonlyArray<Target>
  /** Their names; the same array for every request whose order is not drawn. */
  readonly names: ReadonlyArray<string>
  readonly timeouts: TimeoutSettings
  readonly onInterrupted: OnInterrupted
  /** Default warn. */
  readonly parameters?: ParameterPolicy | undefined
  /** Targets that go on from the beginning of an answer. */
  readonly prefill: ReadonlySet<Target>
  /** Absent where nothing watches, which is the rule. */
  readonly guards?: Moderation.Watch
  /** What is known against any of the targets; absent = nothing, or the caller has named the model himself. */
  readonly abilities?: Abilities.Abilities | undefined
  /** It is one of the file's, so its name is one of few. */
  readonly isAlias?: true
  /** How the order of the targets comes about. Default ordered. */
  readonly strategy?: "ordered" | "weighted"
}

/** Where a `model` leads, before any draw. */
export interface RouteDescription extends Route {
  readonly kind: "alias" | "model"
  readonly strategy: "ordered" | "weighted"
  /** As the targets stand; 1 for a model. */
  readonly weights: ReadonlyArray<number>
}

const noTargets: ReadonlySet<Target> = new Set()

const nameOf = (target: Target): string => target.name

/** Draws without replacement, each time in proportion to the weights that are left; weight 0 comes last, in file order. */
export const drawOrder = <A>(
  items: ReadonlyArray<A>,
  weights: ReadonlyArray<number>,
  next: () => number
): ReadonlyArray<A> => {
  const left = items.map((item, index) => ({ item, weight: weights[index] ?? 1 }))
  const drawn: Array<A> = []
  while (left.length > 0) {
    const total = left.reduce((sum, entry) => sum + entry.weight, 0)
    let point = next() * total
    const found = total === 0 ? 0 : left.findIndex((entry) => (point -= entry.weight) < 0)
    drawn.push(...left.splice(Math.max(found, 0), 1).map((entry) => entry.item))
  }
  return drawn
}

export class Routes extends Context.Service<Routes, {
  /** `caller` is told of no other models than it may call; absent = anybody. */
  readonly resolve: (model: string, caller?: Caller) => Effect.Effect<Route, GatewayError>
  /** The same without a draw, for showing; targets as written. */
  readonly describe: (model: string) => Effect.Effect<RouteDescription, GatewayError>
  /** The same without a draw: the order as written, for showing. */
  readonly aliases: ReadonlyMap<string, ReadonlyArray<Target>>
  /** Aliases first, then `provider/model` names; what `GET /v1/models` shows. */
  readonly models: Effect.Effect<ReadonlyArray<Listing.ModelListing>>
}>()("breakwater/gateway/Route/Routes") {}

export interface RouteSettings {
  readonly aliases: Readonly<Record<string, AliasSettings>>
  readonly timeouts: TimeoutSettings
  /** What watches over models that callers name themselves, and over aliases that say nothing of their own. Default nothing. */
  readonly guards?: AliasSettings["guards"]
}

/** Builds the routes over the targets; an alias that names an unknown provider is a mistake of the configuration and dies. */
const make = Effect.fnUntraced(function*(settings: RouteSettings) {
  const targets = yield* Targets
  const { providers } = yield* Providers
  const ownGuards = yield* Moderation.watch(settings.guards, providers)
  const aliases = new Map<string, RouteDescription & { readonly able: Listing.Able }>()
  for (const [name, alias] of Object.entries(settings.aliases)) {
    const found = yield* Effect.forEach(alias.targets, ({ model, provider }) => targets.named(provider, model))
    const able = new Map(
      found.map((target, at) => [target, Abilities.ofTarget(target, alias.targets[at]?.capabilities)])
    )
    aliases.set(name, {
      kind: "alias",
      isAlias: true,
      names: found.map(nameOf),
      strategy: alias.strategy,
      targets: found,
      weights: alias.targets.map((target) => target.weight),
      timeouts: { ...settings.timeouts, ...alias.timeouts },
      guards: alias.guards === undefined ? ownGuards : yield* Moderation.watch(alias.guards, providers),
      onInterrupted: alias.onInterrupted ?? "error",
      parameters: alias.parameters,
      prefill: new Set(found.filter((target) => able.get(target)?.prefill === true)),
      able,
      abilities: Abilities.gather(able)
    })
  }
  const listed = targets.listed.filter((target) => !aliases.has(target.name))
  const bare = new Map<string, Target>()
  for (const target of targets.listed) if (!bare.has(target.model)) bare.set(target.model, target)

  const direct = (model: string): Target | undefined => {
    const slash = model.indexOf("/")
    const named = slash > 0 ? targets.adHoc(model.slice(0, slash), model.slice(slash + 1)) : undefined
    if (named === undefined) return bare.get(model)
    return named.provider.hasOnlyListed === true && !named.provider.models.includes(named.model) ? undefined : named
  }

  // Made once for what a provider lists; what callers make up is not kept, for it is without end.
  const ofTarget = (target: Target): RouteDescription =>
    ownRoutes.get(target) ?? {
      kind: "model",
      strategy: "ordered",
      targets: [target],
      names: [target.name],
      weights: [1],
      timeouts: settings.timeouts,
      guards: ownGuards,
      onInterrupted: "error",
      prefill: noTargets
    }
  const ownRoutes = new Map<Target, RouteDescription>()
  for (const target of targets.listed) ownRoutes.set(target, ofTarget(target))

  const describe = (model: string, caller?: Caller): Effect.Effect<RouteDescription, GatewayError> => {
    const alias = aliases.get(model)
    if (alias !== undefined) return Effect.succeed(alias)
    const target = direct(model)
    if (target !== undefined) return Effect.succeed(ofTarget(target))
    return Effect.fail(unknownModel(model, providers, [...aliases.keys(), ...listed.map(nameOf)], caller))
  }

  const resolve = (model: string, caller?: Caller): Effect.Effect<Route, GatewayError> => {
    const alias = aliases.get(model)
    if (alias === undefined) return describe(model, caller)
    if (alias.strategy === "ordered" || alias.targets.length === 1) return Effect.succeed(alias)
    return Effect.map(
      Effect.forEach(alias.targets, () => Random.next),
      (draws) => {
        const drawn = drawOrder(alias.targets, alias.weights, () => draws.pop() ?? 0)
        return { ...alias, targets: drawn, names: drawn.map(nameOf) }
      }
    )
  }

  return Routes.of({
    resolve,
    describe,
    models: yield* Listing.make(aliases, listed, bare),
    aliases: new Map([...aliases].map(([name, alias]) => [name, alias.targets]))
  })
})

export const layer = (settings: RouteSettings): Layer.Layer<Routes, never, Targets | Providers | Pricing> =>
  Layer.effect(Routes, make(settings))
