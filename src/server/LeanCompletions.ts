/**
 * The routes of completions and embeddings with no more around it than it needs. Handlers run in the context that they were built in, merged
 * into that of each request: here that is an empty one, so there is nothing to merge.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { UnlockedCompletions } from "../api/Completions.ts"
import { UnlockedEmbeddings } from "../api/Embeddings.ts"
import { answer } from "./Completions.ts"
import { embed } from "./Embeddings.ts"
import { CurrentExchange } from "./Exchange.ts"
import * as Services from "./Services.ts"

const completions = (services: Services.Services) =>
  HttpApiBuilder.group(
    UnlockedCompletions,
    "completions",
    (group) =>
      Effect.succeed(group.handleRaw("create", ({ request }) =>
        Effect.withFiber((fiber) =>
          answer(services, request, fiber.getRef(CurrentExchange))
        )))
  )

const embeddings = (services: Services.Services) =>
  HttpApiBuilder.group(
    UnlockedEmbeddings,
    "embeddings",
    (group) =>
      Effect.succeed(group.handleRaw("create", ({ request }) =>
        Effect.withFiber((fiber) =>
          embed(services, request, fiber.getRef(CurrentExchange))
        )))
  )

type Build<A> = (memoMap: Layer.MemoMap, scope: Scope.Scope) => Effect.Effect<Context.Context<A>>

/**
 * Builds a layer in an empty context. `Layer.build` would put its memo map there, and so into what every request's context is merged
 * with: a copy of all services and of what fibers derive from them, 4 µs a request.
 */
const buildInNothing = <A>(layer: Layer.Layer<A>, memoMap: Layer.MemoMap, scope: Scope.Scope) =>
  Effect.updateContext(
    // Every layer has it, though the type does not say so: https://github.com/Effect-TS/effect has no other way to leave the map out.
    (layer as Layer.Layer<A> & { readonly build: Build<A> }).build(memoMap, scope),
    (_: Context.Context<never>) => Context.empty()
  )

/** The completions and embeddings of the contract. Requires the flow and the settings; the handler judges the client's key. */
export const layer = Layer.fromBuild((memoMap, scope) =>
  Effect.flatMap(
    Services.make,
    (services) => buildInNothing(Layer.merge(completions(services), embeddings(services)), memoMap, scope)
  )
)
