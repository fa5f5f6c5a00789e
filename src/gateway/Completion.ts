/**
 * The sentence in code: request → decode → admit → route → attempt → account → encode.
 *
 * 1. decode and encode belong to the door that calls: HTTP in `server/Completions.ts`, another Effect app in `Ai.ts`.
 * 2. admit: the caller's key was judged at the door; what it may call, its limits and its budget here (`Admit.ts`), before anything
 *    is sent. What a request may cost depends on its targets, so the latter two come once they are known.
 * 3. route: the alias becomes targets in the order they are asked (`Route.ts`).
 * 4. attempt: `bulkhead(breaker(deadline(provider)))` (`Attempt.ts`), retry around one target, failover around all (`Failover.ts`).
 * 5. a stream is held until its first content event; before that every failure is invisible (`Streaming.ts`). What breaks
 *    later ends in an error unless its route says otherwise (`Interruption.ts`).
 * 6. account: what happened is in the decision record when the answer leaves (`Decision.ts`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { Answer, Call, EmbeddingAnswer, Provider } from "../providers/Provider.ts"
import * as Watchdog from "../resilience/Watchdog.ts"
import * as Admit from "./Admit.ts"
import * as Attempt from "./Attempt.ts"
import { type Decision, keeper } from "./Decision.ts"
import * as Failover from "./Failover.ts"
import { type CompletionRequest, deadlineOf, type EmbeddingsRequest, type FlowRequest } from "./FlowRequest.ts"
import * as Interruption from "./Interruption.ts"
import * as Manner from "./Manner.ts"
import * as RequestTrace from "./RequestTrace.ts"
import { type Route, Routes } from "./Route.ts"

export type { CompletionRequest, EmbeddingsRequest } from "./FlowRequest.ts"

type RetrySettings = Parameters<typeof Interruption.stream>[2]

export class Completion extends Context.Service<Completion, {
  /** A whole answer; every retry and failover is behind it. */
  readonly complete: (request: CompletionRequest) => Effect.Effect<Answer, GatewayError>
  /** A committed stream: this returns only when the first content event is in hand. Permits live as long as the scope. */
  readonly stream: (request: CompletionRequest) => ReturnType<Provider["stream"]>
  /** Vectors, from the first target that has them; the same flow as a whole answer. */
  readonly embed: (request: EmbeddingsRequest) => Effect.Effect<EmbeddingAnswer, GatewayError>
}>()("breakwater/gateway/Completion") {}

const noteFailure = (decision: Decision) => (error: GatewayError): Effect.Effect<void> =>
  Effect.sync(() => {
    decision.error = error.reason._tag
  })

interface CompletionSettings {
  readonly retry: RetrySettings
  /** What answers are charged by whose requests begin now; absent = their cost is not worked out. */
  readonly prices?: () => Decision["prices"] & {}
  /** Who counts requests; absent = nobody. */
  readonly meter?: Decision["meter"]
}

const make = Effect.fnUntraced(function*({ meter, prices, retry }: CompletionSettings) {
  const routes = yield* Routes
  const watchdog = yield* Watchdog.make
  const keep = yield* keeper
  const admit = yield* Admit.make

  /** Along the route of the alias until somebody has answered; guards, where there are any, stand before and behind it, once admitted. */
  const along = <Asked extends Admit.Asking, A, R>(
    request: FlowRequest<Asked>,
    { guarding, hold, suit, verdict }: Manner.Manner<Asked, A, R>,
    attempt: (options: Attempt.AttemptOptions<Call<Asked>>, route: Route) => Effect.Effect<A, GatewayError, R>
  ): Effect.Effect<A, GatewayError, R> => {
    const { decision } = request
    decision.alias = request.request.model
    if (prices !== undefined) decision.prices = prices()
    if (meter !== undefined) decision.meter = meter
    const closed = admit?.closed(request)
    if (closed !== undefined) return Effect.andThen(noteFailure(decision)(closed), Effect.fail(closed))
    const asked = (resolved: Route) =>
      Effect.withFiber<A, GatewayError, R>((fiber) => {
        decision.candidates = resolved.names
        if (resolved.isAlias === true) decision.isConfigured = true
        if (resolved.guards !== undefined) decision.captured?.guard()
        const route = suit(resolved, request)
        if ("_tag" in route) return Effect.fail(route)
        const deadline = deadlineOf(request, route, fiber)
        decision.deadlineMs = deadline.atMs
        const trace = RequestTrace.open(fiber, decision, route)
        if (trace !== undefined) decision.trace = trace
        const { guards } = route
        let sent = request
        const run = Failover.run({
          targets: route.targets,
          timeouts: route.timeouts,
          retry,
          abilities: route.abilities,
          decision,
          deadline,
          verdictMs: route.timeouts[verdict],
          attempt: (target, clock, waitedMs) => {
            const call = Attempt.callOf(sent, target, route.parameters)
            return attempt({ target, clock, waitedMs, watchdog, decision, call }, route)
          }
        })
        const attempts = guards === undefined
          ? run
          : Effect.flatMap(guarding.before(guards, request, decision.captured), (seen) => {
            sent = seen
            return Effect.flatMap(run, (answer) => guarding.after(guards, answer, decision.captured))
          })
        const pass = admit?.pass(request, route.targets)
        const answer = pass === undefined ? attempts : hold(pass, decision, attempts)
        return trace === undefined
          ? answer
          : RequestTrace.around(trace, Effect.tapError(answer, noteFailure(decision)), fiber)
      })
    const answered = Effect.flatMapEager(routes.resolve(request.request.model, decision.caller), asked)
    return Effect.tapError(answered, noteFailure(decision))
  }

  return Completion.of({
    complete: (request) => {
      keep?.(request.decision, request.request)
      return along(request, Manner.whole, Attempt.complete)
    },
    stream: Effect.fnUntraced(function*(request) {
      const { decision } = request
      decision.stream = true
      keep?.(decision, request.request)
      const answer = yield* along(
        request,
        Manner.streamed,
        (options, route) => Interruption.stream(options, route, retry)
      )
      decision.firstContentMs = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - decision.startedAtMs
      return answer
    }),
    embed: (request) => {
      request.decision.operation = "embeddings"
      return along(request, Manner.vectors, Attempt.embed)
    }
  })
})

/** The flow over the routes. */
export const layer = (settings: CompletionSettings): Layer.Layer<Completion, never, Routes> =>
  Layer.effect(Completion, make(settings))
