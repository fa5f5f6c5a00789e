/** The providers of the file to the providers that answer for them, by their kind. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { gatewayError, UpstreamUnreachable } from "../domain/GatewayError.ts"
import * as Images from "../providers/Images.ts"
import { inlining, takesBytesOnly } from "../providers/InlineImages.ts"
import * as Kinds from "../providers/Kinds.ts"
import type { Provider } from "../providers/Provider.ts"
import { Providers } from "../providers/Providers.ts"
import * as Transport from "../providers/Transport.ts"
import type { ProviderSection } from "./ProviderSection.ts"
import type { Settings } from "./Settings.ts"

/** A provider that cannot be made stands in its place and fails at once, so that an alias fails over and the rest serves. */
const broken = ({ kind, models, name }: ProviderSection, problem: string): Provider => {
  const failure = Effect.fail(
    gatewayError(new UpstreamUnreachable({ message: `The provider ${name} is not usable: ${problem}.` }))
  )
  return { name, kind, models, complete: () => failure, stream: () => failure }
}

const make = (section: ProviderSection) =>
  Effect.catch(
    Kinds.make(section.name, section),
    ({ problem }) =>
      Effect.as(
        Effect.logWarning(`the provider ${section.name} is not usable: ${problem}`),
        broken(section, problem)
      )
  )

/** The same, given the images of callers as bytes where its upstream takes nothing else. */
const withImages = (section: ProviderSection) =>
  takesBytesOnly.has(section.kind)
    ? Effect.flatMap(Images.Images, (images) => Effect.map(make(section), (provider) => inlining(provider, images)))
    : make(section)

/** Every provider of the file over one transport, and the images of callers over another. */
export const layer = ({ defaults, images, providers }: Settings): Layer.Layer<Providers> =>
  Providers.layer(providers.map(withImages)).pipe(
    Layer.provide([Transport.layer({ connectTimeoutMs: defaults.timeouts.connectMs }), Images.layer(images)])
  )
