/**
 * From the `model` a caller names to the targets that may answer it, in the order they are asked. An alias of the file wins,
 * then `provider/model`, then a bare model that a provider lists itself; of two providers the first.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { type GatewayError, gatewayError, ModelNotFound } from "../domain/GatewayError.ts"
import { type TimeoutSettings, TimeoutSettingsInput } from "../resilience/Deadline.ts"
import { type Target, Targets } from "./Target.ts"

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
  /** Overrides of the defaults, in milliseconds. */
  readonly timeouts?: Partial<TimeoutSettings> | undefined
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
  timeouts: Schema.optionalKey(TimeoutSettingsInput)
})

/** The targets of one request, first choice first. */
export interface Route {
  readonly targets: ReadonlyArray<Target>
  readonly timeouts: TimeoutSettings
  readonly onInterrupted: OnInterrupted
  /** Targets that go on from the beginning of an answer. */
  readonly prefill: ReadonlySet<Target>
}

export interface ModelListing {
  readonly id: string
  readonly ownedBy: string
}

interface Alias extends Route {
  readonly strategy: "ordered" | "weighted"
  readonly weights: ReadonlyArray<number>
}

const noTargets: ReadonlySet<Target> = new Set()

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

const notFound = (model: string, known: Iterable<string>): GatewayError => {
  const names = [...known].slice(0, 8).join(", ")
  const shown = model.length > 100 ? `${model.slice(0, 100)}…` : model
  return gatewayError(
    new ModelNotFound({
      message:
        `The model \`${shown}\` does not exist here. Ask for an alias, a provider's model as provider/model, or one of: ${names}. `
        + "GET /v1/models lists them all.",
      param: "model"
    })
  )
}

export class Routes extends Context.Service<Routes, {
  readonly resolve: (model: string) => Effect.Effect<Route, GatewayError>
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
  const aliases = new Map<string, Alias>()
  for (const [name, alias] of Object.entries(settings.aliases)) {
    const found = yield* Effect.forEach(alias.targets, ({ model, provider }) => targets.named(provider, model))
    const weights = alias.targets.map((target) => target.weight)
    aliases.set(name, {
      strategy: alias.strategy,
      targets: found,
      weights,
      timeouts: { ...settings.timeouts, ...alias.timeouts },
      onInterrupted: alias.onInterrupted ?? "error",
      prefill: new Set(found.filter((_, at) => alias.targets[at]?.prefill === true))
    })
  }
  const listed = targets.listed.filter((target) => !aliases.has(target.name))
  const bare = new Map<string, Target>()
  for (const target of targets.listed) if (!bare.has(target.model)) bare.set(target.model, target)

  const direct = (model: string): Target | undefined => {
    const slash = model.indexOf("/")
    const named = slash > 0 ? targets.adHoc(model.slice(0, slash), model.slice(slash + 1)) : undefined
    return named ?? bare.get(model)
  }

  const resolve = (model: string): Effect.Effect<Route, GatewayError> => {
    const alias = aliases.get(model)
    if (alias === undefined) {
      const target = direct(model)
      return target === undefined
        ? Effect.fail(notFound(model, [...aliases.keys(), ...listed.map(({ name }) => name)]))
        : Effect.succeed({
          targets: [target],
          timeouts: settings.timeouts,
          onInterrupted: "error",
          prefill: noTargets
        })
    }
    if (alias.strategy === "ordered" || alias.targets.length === 1) return Effect.succeed(alias)
    return Effect.map(
      Effect.forEach(alias.targets, () => Random.next),
      (draws) => ({ ...alias, targets: drawOrder(alias.targets, alias.weights, () => draws.pop() ?? 0) })
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
    models: Effect.succeed(models),
    aliases: new Map([...aliases].map(([name, alias]) => [name, alias.targets]))
  })
})

export const layer = (settings: {
  readonly aliases: Readonly<Record<string, AliasSettings>>
  readonly timeouts: TimeoutSettings
}): Layer.Layer<Routes, never, Targets> => Layer.effect(Routes, make(settings))
