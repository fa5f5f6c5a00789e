/**
 * From the `model` a caller names to the targets that may answer it, in the order they are asked. An alias of the file wins,
 * then `provider/model`, then a bare model that a provider lists itself; of two providers the first.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { GatewayError } from "../domain/GatewayError.ts"
import { type Limits, LimitsInput } from "../domain/Principal.ts"
import type { ParameterPolicy } from "../providers/Provider.ts"
import { Providers } from "../providers/Providers.ts"
import { type TimeoutSettings, TimeoutSettingsInput } from "../resilience/Deadline.ts"
import { type Guard, type GuardSettings, GuardSettingsInput, guardsOf } from "../validation/Guard.ts"
import { type Target, Targets } from "./Target.ts"
import { unknownModel } from "./UnknownModel.ts"

/** One target of an alias: a provider's name in the file and the upstream's name of the model. */
export interface TargetSettings {
  readonly provider: string
  readonly model: string
  /** Share of the traffic with `strategy: weighted`; default 1, 0 = only when the others have failed. */
  readonly weight: number
  /** True where the model goes on from the beginning of an answer that is given as the last message. Default false. */
  readonly prefill?: boolean | undefined
}

/** What a stream does that breaks after its first content. */
type OnInterrupted = "error" | "resume" | "buffer"

/** What a caller's `model` stands for. */
export interface AliasSettings {
  /** `ordered`: always in the order written. `weighted`: the first is drawn by weight, so are those after it. Default ordered. */
  readonly strategy: "ordered" | "weighted"
  readonly targets: ReadonlyArray<TargetSettings>
  /**
   * `error`: one error event. `resume`: another try is joined to what was sent, where it agrees to the letter. `buffer`: nothing
   * is sent before the answer is whole. Default error.
   */
  readonly onInterrupted?: OnInterrupted | undefined
  /** For all its callers together; kept by admission. Default none. */
  readonly limits?: Limits | undefined
  /** Overrides of the defaults, in milliseconds. */
  readonly timeouts?: Partial<TimeoutSettings> | undefined
  /** What watches over its requests and answers. Default nothing. */
  readonly guards?: GuardSettings | undefined
  /** `reject`: a target that cannot be told all that the caller asks for is not asked. Default warn. */
  readonly parameters?: ParameterPolicy | undefined
}

export const AliasSettingsInput = Schema.Struct({
  strategy: Schema.optionalKey(Schema.Literals(["ordered", "weighted"])),
  targets: Schema.NonEmptyArray(Schema.Struct({
    provider: Schema.String.check(Schema.isNonEmpty()),
    model: Schema.String.check(Schema.isNonEmpty()),
    weight: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
    capabilities: Schema.optionalKey(Schema.Struct({ prefill: Schema.optionalKey(Schema.Boolean) }))
  })),
  stream: Schema.optionalKey(Schema.Struct({
    onInterrupted: Schema.optionalKey(Schema.Literals(["error", "resume", "buffer"]))
  })),
  limits: Schema.optionalKey(LimitsInput),
  timeouts: Schema.optionalKey(TimeoutSettingsInput),
  guards: Schema.optionalKey(GuardSettingsInput),
  parameters: Schema.optionalKey(Schema.Literals(["warn", "reject"]))
})

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
  readonly guards?: ReadonlyArray<Guard> | undefined
  /** It is one of the file's, so its name is one of few. */
  readonly isAlias?: true
}

export interface ModelListing {
  readonly id: string
  readonly ownedBy: string
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
  readonly resolve: (model: string) => Effect.Effect<Route, GatewayError>
  /** The same without a draw, for showing; targets as written. */
  readonly describe: (model: string) => Effect.Effect<RouteDescription, GatewayError>
  /** The same without a draw: the order as written, for showing. */
  readonly aliases: ReadonlyMap<string, ReadonlyArray<Target>>
  /** Aliases first, then `provider/model` names; what `GET /v1/models` shows. */
  readonly models: Effect.Effect<ReadonlyArray<ModelListing>>
}>()("breakwater/gateway/Route/Routes") {}

/** Builds the routes over the targets; an alias that names an unknown provider is a mistake of the configuration and dies. */
const make = Effect.fnUntraced(function*(settings: {
  readonly aliases: Readonly<Record<string, AliasSettings>>
  readonly timeouts: TimeoutSettings
}) {
  const targets = yield* Targets
  const { providers } = yield* Providers
  const aliases = new Map<string, RouteDescription>()
  for (const [name, alias] of Object.entries(settings.aliases)) {
    const found = yield* Effect.forEach(alias.targets, ({ model, provider }) => targets.named(provider, model))
    aliases.set(name, {
      kind: "alias",
      isAlias: true,
      names: found.map(nameOf),
      strategy: alias.strategy,
      targets: found,
      weights: alias.targets.map((target) => target.weight),
      timeouts: { ...settings.timeouts, ...alias.timeouts },
      guards: yield* guardsOf(alias.guards),
      onInterrupted: alias.onInterrupted ?? "error",
      parameters: alias.parameters,
      prefill: new Set(found.filter((_, at) => alias.targets[at]?.prefill === true))
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
      onInterrupted: "error",
      prefill: noTargets
    }
  const ownRoutes = new Map<Target, RouteDescription>()
  for (const target of targets.listed) ownRoutes.set(target, ofTarget(target))

  const describe = (model: string): Effect.Effect<RouteDescription, GatewayError> => {
    const alias = aliases.get(model)
    if (alias !== undefined) return Effect.succeed(alias)
    const target = direct(model)
    return target === undefined
      ? Effect.fail(unknownModel(model, providers, [...aliases.keys(), ...listed.map(nameOf)]))
      : Effect.succeed(ofTarget(target))
  }

  const resolve = (model: string): Effect.Effect<Route, GatewayError> => {
    const alias = aliases.get(model)
    if (alias === undefined) return describe(model)
    if (alias.strategy === "ordered" || alias.targets.length === 1) return Effect.succeed(alias)
    return Effect.map(
      Effect.forEach(alias.targets, () => Random.next),
      (draws) => {
        const drawn = drawOrder(alias.targets, alias.weights, () => draws.pop() ?? 0)
        return { ...alias, targets: drawn, names: drawn.map(nameOf) }
      }
    )
  }

  const models = [
    ...[...aliases.keys()].map((id) => ({ id, ownedBy: "breakwater" })),
    ...listed.map((target) => ({ id: target.name, ownedBy: target.provider.name })),
    ...[...bare.values()].filter(({ model }) => !aliases.has(model)).map(({ model, provider }) => ({
      id: model,
      ownedBy: provider.name
    }))
  ]
  return Routes.of({
    resolve,
    describe,
    models: Effect.succeed(models),
    aliases: new Map([...aliases].map(([name, alias]) => [name, alias.targets]))
  })
})

export const layer = (settings: {
  readonly aliases: Readonly<Record<string, AliasSettings>>
  readonly timeouts: TimeoutSettings
}): Layer.Layer<Routes, never, Targets | Providers> => Layer.effect(Routes, make(settings))
