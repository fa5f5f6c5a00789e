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

/** The completions and embeddings of the contract. Requires the flow and the settings; the handler judges the client's key. */
export const layer = Layer.effectContext(Effect.gen(function*() {
  const services = yield* Services.make
  return yield* Effect.updateContext(
    Layer.build(Layer.merge(completions(services), embeddings(services))),
    (all: Context.Context<Scope.Scope>) => Context.pick(Scope.Scope)(all)
  )
}))
