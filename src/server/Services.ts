/** What the requests for answers are answered with, looked up once. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { Keys } from "../admission/Keys.ts"
import { Completion } from "../gateway/Completion.ts"
import { EventLog, type EventLogShape } from "../observability/Logger.ts"
import { OpenStreams } from "./OpenStreams.ts"
import { ServerOptions, type ServerSettings } from "./ServerSettings.ts"
import { type Sink, SinkOf } from "./Sink.ts"

/** What every request is answered with. */
export interface Services {
  readonly completion: Completion["Service"]
  readonly keys: Keys["Service"]
  readonly settings: ServerSettings
  readonly log: EventLogShape
  readonly streams: OpenStreams["Service"]
  readonly sinkOf: (request: HttpServerRequest.HttpServerRequest) => Sink | undefined
}

export const make = Effect.gen(function*() {
  const services: Services = {
    completion: yield* Completion,
    keys: yield* Keys,
    settings: yield* ServerOptions,
    log: yield* EventLog,
    streams: yield* OpenStreams,
    sinkOf: yield* SinkOf
  }
  return services
})
