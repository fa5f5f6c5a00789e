/** Where the bytes of an answer go without an effect for each write: Node's response, where a request stands on one. */
import * as Context from "effect/Context"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

export interface Sink {
  /** False = full: nothing more before `drain`. */
  readonly write: (pieces: ReadonlyArray<Uint8Array>) => boolean
  readonly once: (event: "drain", listener: () => void) => unknown
}

/** The request's sink; undefined = the server has another way, and its answers are pulled. Only the application on Node sets this. */
export const SinkOf = Context.Reference<(request: HttpServerRequest) => Sink | undefined>(
  "breakwater/server/Sink/SinkOf",
  { defaultValue: () => () => undefined }
)
