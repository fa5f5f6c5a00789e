/** `breakwater breakers`: the circuit breakers of a running server, shown and controlled over its own admin routes. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import { ask, path, type Server, table, targets } from "./Operator.ts"

const Changed = Schema.Struct({
  targets: Schema.Array(Schema.Struct({ target: Schema.String, from: Schema.String, to: Schema.String }))
})

/** Every target with its breaker, as a table on stdout. */
export const list = (server: Server) =>
  Effect.flatMap(targets(server), (all) =>
    Console.log(table([
      ["target", "state", "calls", "failed", "last error", "reason"],
      ...all.map(({ breaker, lastError, target }) => [
        target,
        breaker.state,
        String(breaker.callsInWindow),
        `${Math.round(breaker.failureRate * 100)} %`,
        lastError ?? "-",
        breaker.reason ?? "-"
      ])
    ])))

/** What is to be done, as the admin routes take it; absent = all targets, no reason, until undone. */
export interface Order {
  readonly action: string
  readonly target?: string | undefined
  readonly reason?: string | undefined
  /** Such as `30s` or `10m`. */
  readonly ttl?: string | undefined
}

/** Changes one target's breaker, or all, and says from what to what. */
export const control = (server: Server, { action, ...body }: Order) =>
  Effect.flatMap(
    ask(
      server,
      HttpClientRequest.post(path(server, `circuit-breakers/${action}`)).pipe(HttpClientRequest.bodyJsonUnsafe(body)),
      Changed
    ),
    (changed) => Console.log(table(changed.targets.map((entry) => [entry.target, entry.from, "->", entry.to])))
  )
