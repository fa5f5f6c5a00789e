/**
 * Serves requests with a scope for each that is in flight, used again by another when it has ended. Why not the one scope of the
 * platform's server: it keeps its fibers in a `Map`, and under load everything that a request has touched then outlives it
 * (`resilience/Roster.ts` says why).
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as HttpServer from "effect/http/HttpServer"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Server } from "node:http"

/** Node's server, for whoever takes its requests. */
export class Listener extends Context.Service<Listener, Server>()("breakwater/cli/RequestScopes/Listener") {}

/** How many scopes are looked at for a free one before there is one more. */
const looks = 4

/** Scopes in turn, as many as there were requests at once and a few more. */
export interface Scopes {
  /** One in which nothing runs. */
  readonly next: () => Scope.Closeable
  /** Ends what is in flight, and all that comes later. */
  readonly closeAll: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
  /** How many there are, for tests. */
  readonly size: () => number
}

export const make = (): Scopes => {
  const all: Array<Scope.Closeable> = []
  let turn = 0
  let closed: Scope.Closeable | undefined
  const next = (): Scope.Closeable => {
    if (closed !== undefined) return closed
    for (let look = 0; look < looks && all.length > 0; look++) {
      turn = (turn + 1) % all.length
      const scope = all[turn]
      if (scope?.state._tag === "Empty") return scope
    }
    const scope = Scope.makeUnsafe("parallel")
    all.push(scope)
    return scope
  }
  const closeAll = (exit: Exit.Exit<unknown, unknown>) => {
    all.push(closed = Scope.makeUnsafe("parallel"))
    return Effect.forEach(all, (scope) => Scope.close(scope, exit), { concurrency: "unbounded", discard: true })
  }
  return { next, closeAll, size: () => all.length }
}

/** Serves as `HttpServer.serve` does, but for the fibers of requests. What is in flight when the scope closes is ended. */
export const serve = <E, R>(server: Server, app: Effect.Effect<HttpServerResponse, E, R>) =>
  Effect.gen(function*() {
    const scopes = make()
    const handle = yield* NodeHttpServer.makeHandler(app, {
      // Asked for anew with each request.
      get scope() {
        return scopes.next()
      }
    })
    yield* Effect.addFinalizer((exit) =>
      Effect.andThen(Effect.sync(() => server.off("request", handle)), scopes.closeAll(exit))
    )
    yield* Layer.build(HttpServer.serve(app))
    const [theirs] = server.listeners("request")
    server.on("request", handle)
    // `listeners` declares functions of any kind.
    if (theirs !== undefined) server.off("request", theirs as Parameters<typeof server.off>[1])
  })
