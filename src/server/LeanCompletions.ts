/**
 * The completions with no more around them than they need: handlers run in the context that their group was built in, merged
 * into that of each request, and the busiest route pays for each service in it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { ClientAuthorization } from "../api/Authorization.ts"
import { Completion } from "../gateway/Completion.ts"
import { EventLog } from "../observability/Logger.ts"
import * as Completions from "./Completions.ts"
import { OpenStreams } from "./OpenStreams.ts"
import { ServerOptions } from "./ServerSettings.ts"
import { SinkOf } from "./Sink.ts"

/** `Completions.layer` in its own small context. */
export const layer = Layer.effectContext(
  Effect.updateContext(
    Layer.build(Completions.layer),
    (all: Context.Context<Completion | ServerOptions | OpenStreams | ClientAuthorization | Scope.Scope>) =>
      Context.pick(Completion, ServerOptions, OpenStreams, EventLog, SinkOf, ClientAuthorization, Scope.Scope)(all)
  )
)
