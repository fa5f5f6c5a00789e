/**
 * A stream that breaks after its first content goes on with the answer of another try, joined to what its caller has: by
 * prefill where the target can, else only if the other answer begins with the same. One deadline and one cap for all of it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type { GatewayError, Reason } from "../domain/GatewayError.ts"
import type { AnswerStream, Frame } from "../providers/Provider.ts"
import * as Deadline from "../resilience/Deadline.ts"
import type { RetrySettings } from "../resilience/Retry.ts"
import * as Attempt from "./Attempt.ts"
import * as Failover from "./Failover.ts"
import * as Pause from "./Pause.ts"
import * as Pump from "./Pump.ts"
import type { Route } from "./Route.ts"
import { continued, isContinuable, prefillOf, Said, Splice } from "./Splice.ts"
import { successors } from "./Successors.ts"

type Frames = readonly [Frame, ...Array<Frame>]
type StreamPull = AnswerStream["pull"]

interface Resumable {
  readonly options: Attempt.AttemptOptions
  readonly route: Route
  readonly retry: RetrySettings
  readonly said: Said
  readonly scope: Scope.Scope
}

/** What the record says of the answer, as it was while the caller had nothing of another one. */
const remembered = (decision: Attempt.AttemptOptions["decision"]): () => void => {
  const { estimated, finishReasons, model, provider, upstreamRequestId, usage } = decision
  return () => {
    Object.assign(decision, { estimated, finishReasons, model, provider, upstreamRequestId, usage })
  }
}

/** The next frames that the caller does not have yet; undefined once it is clear that this is another answer. */
const spliced = (pull: StreamPull, splice: Splice): Pull.Pull<Frames | undefined, GatewayError> =>
  Effect.flatMap(pull, (frames) => {
    const out: Array<Frame> = []
    for (const frame of frames) {
      const kept = splice.next(frame)
      if (splice.isMismatch) return Effect.succeed(undefined)
      if (kept !== undefined) out.push(kept)
    }
    const [first, ...rest] = out
    return first === undefined ? spliced(pull, splice) : Effect.succeed<Frames>([first, ...rest])
  })

/** An answer that goes on where another broke off. */
interface Spliced {
  readonly begun: Frames
  readonly next: Pull.Pull<Frames | undefined, GatewayError>
}

/** What an attempt came to whose answer is not the one that was begun. */
const diverged = "Diverged"

/** One try of an answer that agrees with what was said: its frames from there on, or undefined if it says something else. */
const attempt = (resumable: Resumable, options: Attempt.AttemptOptions) =>
  Effect.flatMap(Scope.fork(resumable.scope), (scope) =>
    Effect.gen(function*() {
      const { route, said } = resumable
      // The reasoning that belongs to what was said cannot be given back to a model.
      const continues = said.reasoning === "" && isContinuable(options.call) && route.prefill.has(options.target)
      const call = continues ? continued(options.call, prefillOf(said)) : options.call
      const answer = yield* Scope.provide(Attempt.stream({ ...options, call }), scope)
      const next = spliced(answer.pull, new Splice(said, continues))
      const begun = yield* Pull.catchDone(next, () => Effect.succeed(undefined))
      if (begun !== undefined) return { begun, next }
      // It answers, only something else: its breaker has heard a success, and hears nothing of this.
      const record = options.decision.attempts.at(-1)
      if (record !== undefined) {
        record.outcome = diverged
        record.failureClass = "final"
      }
      yield* Scope.close(scope, Exit.void)
      return undefined
    }).pipe(Effect.onError(() => Scope.close(scope, Exit.void))))

/** What follows after the break; undefined where nothing may. */
const again = (resumable: Resumable, reason: Reason): Effect.Effect<Spliced | undefined, GatewayError> =>
  Effect.gen(function*() {
    const { options, retry, route, said } = resumable
    const { clock: { deadline }, decision, target, watchdog } = options
    const { hasOtherKey, targets } = yield* successors(route.targets, decision.attempts, retry, reason)
    const [next] = targets
    if (next === undefined || !said.canGoOn) return undefined
    if (decision.attempts.length >= retry.attempts * 2 || (yield* Deadline.remaining(deadline)) === 0) return undefined
    const isSame = next.name === decision.attempts.at(-1)?.target
    const patience = { deadline, longestWaitMs: retry.maxMs }
    if (isSame && !hasOtherKey && !(yield* Pause.waited(target, reason, patience))) return undefined
    return yield* Failover.run({
      targets,
      timeouts: route.timeouts,
      retry,
      decision,
      deadline,
      verdictMs: route.timeouts.firstTokenMs,
      attempt: (to, clock, waitedMs) =>
        attempt(resumable, {
          target: to,
          clock,
          waitedMs,
          watchdog,
          decision,
          call: { ...options.call, model: to.model }
        })
    })
  })

/** The stream, and what follows where it breaks; the caller hears of the first break if nothing can follow. */
const resume = Effect.fnUntraced(function*(answer: AnswerStream, resumable: Resumable) {
  const { options: { decision }, said, scope } = resumable
  const context = yield* Effect.context()
  let current = answer.pull
  const pass = (frames: Frames): Effect.Effect<Frames> => {
    for (const frame of frames) said.add(frame)
    return Effect.succeed(frames)
  }
  const interrupted = (error: GatewayError): StreamPull => {
    const forget = remembered(decision)
    const end = (): StreamPull => {
      forget()
      decision.error = error.reason._tag
      return Effect.fail(error)
    }
    return Effect.matchEffect(Effect.provideContext(again(resumable, error.reason), context), {
      onSuccess: (next): StreamPull => {
        if (next === undefined) return end()
        delete decision.error
        decision.resumed = (decision.resumed ?? 0) + 1
        // What was said has been met, so it cannot be missed any more.
        current = next.next as StreamPull
        return pass(next.begun)
      },
      onFailure: end
    })
  }
  const pull: StreamPull = Effect.suspend(() =>
    Effect.catch(
      Effect.flatMap(current, pass),
      (failure): StreamPull => failure._tag === "GatewayError" ? interrupted(failure) : Effect.fail(failure)
    )
  )
  // A fiber of its own, for while the next answer is looked for nobody else can be told to stop.
  return { ...yield* Pump.stoppable(pull, scope), upstreamRequestId: answer.upstreamRequestId } satisfies AnswerStream
})

/** A try of a stream that is resumed where it breaks. */
export const stream = (options: Attempt.AttemptOptions, route: Route, retry: RetrySettings) =>
  Effect.flatMap(
    Effect.scope,
    (scope) =>
      Effect.flatMap(Attempt.stream(options), (answer) =>
        resume(answer, { options, route, retry, said: new Said(), scope }))
  )
