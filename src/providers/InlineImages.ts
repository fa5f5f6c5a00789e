/** A provider whose upstream fetches nothing, with every image of a caller in hand as bytes before it is asked. */
import * as Effect from "effect/Effect"
import type { Images } from "./Images.ts"
import type { Provider } from "./Provider.ts"

/** Kinds whose upstream takes the bytes of an image and no URL. Others fetch by themselves. */
export const takesBytesOnly: ReadonlySet<string> = new Set(["bedrock"])

/**
 * For dialects that translate `call.request`; the caller's text stays as it came. Fails with the 400 of `Images` before the upstream
 * is asked. A request without images costs one look at it.
 */
export const inlining = ({ keepsLimit: _, ...provider }: Provider, images: Images["Service"]): Provider => ({
  // The limit of an answer holds for its images too, of which the wire knows nothing: so it is not the wire that keeps it.
  ...provider,
  complete: (call) =>
    Effect.flatMap(images.inlined(call.request), (request) => provider.complete({ ...call, request })),
  stream: (call) => Effect.flatMap(images.inlined(call.request), (request) => provider.stream({ ...call, request }))
})
