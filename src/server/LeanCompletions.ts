/**
 * The routes of completions and embeddings: in the contract, and with no more around them than they need where the request is written
 * as everybody writes it. The router, its context and the contract's wrapping cost 5 µs of a request and add nothing here.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import { UnlockedCompletions } from "../api/Completions.ts"
import { UnlockedEmbeddings } from "../api/Embeddings.ts"
import { answer } from "./Completions.ts"
import { embed } from "./Embeddings.ts"
import { CurrentExchange, type Exchange } from "./Exchange.ts"
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
export const layer = Layer.unwrap(Effect.map(
  Services.make,
  (services) => Layer.merge(completions(services), embeddings(services))
))

const handlers = { "/v1/chat/completions": answer, "/v1/embeddings": embed } as const

/**
 * True where nobody else has put anything on the router. In an app of somebody's own a middleware may stand behind the door, and
 * nothing is answered past that. Default false.
 */
export const IsAlone = Context.Reference("breakwater/server/LeanCompletions/IsAlone", { defaultValue: () => false })

/** The answer to a request that needs no router; undefined for all others, and for these in any other spelling. */
export const direct = (services: Services.Services, request: HttpServerRequest, exchange: Exchange) => {
  const { method, url } = request
  if (method !== "POST" || (url !== "/v1/chat/completions" && url !== "/v1/embeddings")) return undefined
  return Effect.interruptible(Effect.suspend(() => handlers[url](services, request, exchange)))
}
