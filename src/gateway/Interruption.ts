/** What becomes of a stream that breaks after its first content; its route says. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { AnswerStream } from "../providers/Provider.ts"
import type { RetrySettings } from "../resilience/Retry.ts"
import * as Attempt from "./Attempt.ts"
import * as Resumption from "./Resumption.ts"
import type { Route } from "./Route.ts"
import * as Whole from "./Whole.ts"

/** Nothing is given out before it is whole, so a break is a failure like any other before the first content. */
const buffered = (options: Attempt.AttemptOptions) =>
  Effect.suspend(() => {
    const { decision } = options
    decision.finishReasons = undefined
    decision.usage = undefined
    decision.estimated = undefined
    return Effect.matchEffect(Effect.flatMap(Attempt.stream(options), Whole.hold), {
      onSuccess: (answer) => {
        delete decision.error
        return Effect.succeed(answer)
      },
      onFailure: (error) => {
        // Its caller has nothing of it, so nobody has answered.
        delete decision.provider
        delete decision.model
        return Effect.fail(error)
      }
    })
  })

/** A try of a stream as its route wants it for the case that it breaks. */
export const stream = (
  options: Attempt.AttemptOptions,
  route: Route,
  retry: RetrySettings
): Effect.Effect<AnswerStream, GatewayError, Scope.Scope> => {
  if (route.onInterrupted === "error") return Attempt.stream(options)
  return route.onInterrupted === "buffer" ? buffered(options) : Resumption.stream(options, route, retry)
}
