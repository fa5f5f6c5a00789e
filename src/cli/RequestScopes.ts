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

/** Scopes for requests, at most three times as many as there ever were requests at once. */
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
  let free: Array<Scope.Closeable> = []
  let closed: Scope.Closeable | undefined
  /** Half of all are free afterwards, so that there are as many requests before all are looked at again. */
  const gather = (): void => {
    free = all.filter(({ state }) => state._tag === "Empty")
    while (free.length < Math.max(1, all.length / 2)) {
      const scope = Scope.makeUnsafe("parallel")
      all.push(scope)
      free.push(scope)
    }
  }
  const next = (): Scope.Closeable => {
    if (closed !== undefined) return closed
    if (free.length === 0) gather()
    // There is one now.
    return free.pop() ?? Scope.makeUnsafe("parallel")
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
    const before = server.listeners("request")
    yield* Layer.build(HttpServer.serve(app))
    const theirs = server.listeners("request").filter((listener) => !before.includes(listener))
    server.on("request", handle)
    // `listeners` declares functions of any kind.
    for (const listener of theirs) server.off("request", listener as Parameters<typeof server.off>[1])
  })
