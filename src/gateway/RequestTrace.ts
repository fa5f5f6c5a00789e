/**
 * The part of a request's trace that the flow makes: the route's span, and below it the calls (`CallSpan.ts`). Made only where the
 * request is traced; without it the flow pays one comparison. Nothing of `gen_ai.*` is on the route's span, or viewers would count
 * a request twice.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { CurrentConventions, type Profile } from "../observability/Conventions.ts"
import * as Tracing from "../observability/Tracing.ts"
import { below, CallSpan, close } from "./CallSpan.ts"
import type { Decision } from "./Decision.ts"
import * as DecisionSpan from "./DecisionSpan.ts"
import type { Route } from "./Route.ts"

type AttemptOptions = ConstructorParameters<typeof CallSpan>[1]

export class RequestTrace {
  readonly tracer: Tracer.Tracer
  readonly profile: Profile
  readonly decision: Decision
  /** The route's. */
  readonly span: Tracer.Span
  private readonly clock: Clock.Clock
  private readonly startedAt: bigint
  private readonly isResumed: boolean
  private call: CallSpan | undefined
  private attempts = 0

  constructor(
    fiber: Fiber.Fiber<unknown, unknown>,
    parent: Tracer.AnySpan | undefined,
    decision: Decision,
    route: Route
  ) {
    this.tracer = fiber.getRef(Tracer.Tracer)
    this.profile = fiber.getRef(CurrentConventions)
    this.clock = fiber.getRef(Clock.Clock)
    this.decision = decision
    this.isResumed = route.onInterrupted === "resume"
    this.startedAt = this.now()
    const name = route.isAlias === true ? `breakwater.route ${decision.alias}` : "breakwater.route"
    this.span = below(this.tracer, parent, name, "internal", this.startedAt)
    DecisionSpan.begin(this.span, decision, route)
  }

  now(): bigint {
    return this.clock.currentTimeNanosUnsafe()
  }

  /** A try begins: as a retry within the call at hand, or as a call of its own; what was used must stay with the one that used it. */
  begin(options: AttemptOptions): CallSpan {
    const before = this.call
    this.attempts += 1
    if (before === undefined) return this.open(options)
    const isRetry = !before.isOver && !before.isUsed && before.target === options.target
    const isResumption = this.isResumed && before.isCommitted
    const kind = isResumption ? "resumption" : before.target === options.target ? "retry" : "failover"
    this.span.event(kind === "resumption" ? "breakwater.stream.resumption" : `breakwater.${kind}`, this.now(), {
      "breakwater.target": options.target.name,
      ...(kind === "retry" ? {} : { "breakwater.from": before.target.name }),
      "breakwater.attempt": this.attempts,
      "breakwater.delay_ms": Math.round(options.waitedMs),
      "error.type": before.error ?? "unfinished"
    })
    if (!isRetry) {
      before.end()
      return this.open(options)
    }
    before.begin()
    return before
  }

  private open(options: AttemptOptions): CallSpan {
    return this.call = new CallSpan(this, options)
  }

  /** The request is over. */
  end(exit: Exit.Exit<unknown, unknown>): void {
    this.call?.end()
    const { decision, span } = this
    const error = decision.error
    const isCancelled = error === undefined && Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)
    DecisionSpan.annotate(span, decision, this.startedAt, isCancelled)
    close(span, this.now(), error ?? (isCancelled || Exit.isSuccess(exit) ? undefined : "InternalFailure"), isCancelled)
  }
}

/** The trace of a request whose route is known; undefined where nobody looks, or where it was not drawn. */
export const open = (
  fiber: Fiber.Fiber<unknown, unknown>,
  decision: Decision,
  route: Route
): RequestTrace | undefined => {
  if (!fiber.getRef(References.TracerEnabled) || fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer) return undefined
  const parent = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  if (parent === undefined ? fiber.getRef(Tracing.ServerSpans) !== undefined : !parent.sampled) return undefined
  return new RequestTrace(fiber, parent, decision, route)
}

/** Runs the flow below the route's span, which ends with it. A stream's ends with its scope. */
export const around = <A, E, R>(
  trace: RequestTrace,
  flow: Effect.Effect<A, E, R>,
  fiber: Fiber.Fiber<unknown, unknown>
): Effect.Effect<A, E, R> => {
  const end = (exit: Exit.Exit<unknown, unknown>) => Effect.sync(() => trace.end(exit))
  const below = Effect.provideService(flow, Tracer.ParentSpan, trace.span)
  const scope = trace.decision.stream ? Context.getOrUndefined(fiber.context, Scope.Scope) : undefined
  return scope === undefined
    ? Effect.onExit(below, end)
    : Effect.andThen(Scope.addFinalizerExit(scope, end), below)
}
