/**
 * The route of the completions with no more around it than it needs. Handlers run in the context that they were built in, merged
 * into that of each request: here that is an empty one, so there is nothing to merge.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Keys } from "../admission/Keys.ts"
import { UnlockedCompletions } from "../api/Completions.ts"
import { Completion } from "../gateway/Completion.ts"
import { EventLog } from "../observability/Logger.ts"
import { answer, type Services } from "./Completions.ts"
import { CurrentExchange } from "./Exchange.ts"
import { OpenStreams } from "./OpenStreams.ts"
import { ServerOptions } from "./ServerSettings.ts"
import { SinkOf } from "./Sink.ts"

const handlers = (services: Services) =>
  HttpApiBuilder.group(
    UnlockedCompletions,
    "completions",
    (group) =>
      Effect.succeed(group.handleRaw("create", ({ request }) =>
        Effect.withFiber((fiber) =>
          answer(services, request, fiber.getRef(CurrentExchange))
        )))
  )

/** The completions of the contract. Requires the flow and the settings; the handler judges the client's key. */
export const layer = Layer.effectContext(Effect.gen(function*() {
  const services: Services = {
    completion: yield* Completion,
    keys: yield* Keys,
    settings: yield* ServerOptions,
    log: yield* EventLog,
    streams: yield* OpenStreams,
    sinkOf: yield* SinkOf
  }
  return yield* Effect.updateContext(
    Layer.build(handlers(services)),
    (all: Context.Context<Scope.Scope>) => Context.pick(Scope.Scope)(all)
  )
}))
