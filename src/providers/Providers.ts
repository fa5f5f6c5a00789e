/** The upstreams of this process, by their name in the configuration. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Provider } from "./Provider.ts"

/** The Effects among the items. */
type Making<Item> = Extract<Item, Effect.Effect<unknown, unknown, unknown>>

export class Providers extends Context.Service<Providers, {
  readonly providers: ReadonlyMap<string, Provider>
}>()("breakwater/providers/Providers") {
  /**
   * Providers that are there and Effects that make one, in any order; the errors and needs of all are the layer's. Of two with
   * one name the later counts.
   */
  static layer<Item extends Provider | Effect.Effect<Provider, unknown, unknown>>(
    items: ReadonlyArray<Item>
  ): Layer.Layer<Providers, Effect.Error<Making<Item>>, Exclude<Effect.Services<Making<Item>>, Scope.Scope>>
  static layer<E, R>(
    items: ReadonlyArray<Provider | Effect.Effect<Provider, E, R>>
  ): Layer.Layer<Providers, E, Exclude<R, Scope.Scope>> {
    const all = Effect.forEach(items, (item) => Effect.isEffect(item) ? item : Effect.succeed(item))
    return Layer.effect(
      Providers,
      Effect.map(all, (made) => ({ providers: new Map(made.map((provider) => [provider.name, provider])) }))
    )
  }
}
