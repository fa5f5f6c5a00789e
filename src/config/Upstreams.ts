/** A provider of the file to the Provider that answers for it, by its kind. */
import * as Effect from "effect/Effect"
import { gatewayError, UpstreamUnreachable } from "../domain/GatewayError.ts"
import type { Provider } from "../providers/Provider.ts"
import * as Simulated from "../providers/Simulated.ts"
import type { ProviderSection } from "./ProviderSection.ts"

/** A kind whose part is not built yet: it stands in its place and fails at once, so that an alias can fail over. */
const unbuilt = ({ kind, models, name }: ProviderSection): Provider => {
  const failure = Effect.fail(
    gatewayError(
      new UpstreamUnreachable({ message: `The provider ${name} is of kind ${kind}, which is not built yet.` })
    )
  )
  return { name, kind, models, complete: () => failure, stream: () => failure }
}

/** Makes the provider of one section of the file. */
export const provider = (section: ProviderSection): Provider => {
  switch (section.kind) {
    case "simulated":
      return Simulated.make(section.name)
    default:
      return unbuilt(section)
  }
}
