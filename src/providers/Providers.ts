/** The upstreams of this process, by their name in the configuration. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Provider } from "./Provider.ts"

export class Providers extends Context.Service<Providers, {
  readonly providers: ReadonlyMap<string, Provider>
}>()("breakwater/providers/Providers") {
  static readonly layer = (providers: ReadonlyArray<Provider>): Layer.Layer<Providers> =>
    Layer.succeed(Providers, { providers: new Map(providers.map((provider) => [provider.name, provider])) })
}
