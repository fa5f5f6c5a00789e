/**
 * Step 2 of the flow, admit: what a request may use is held from before anything is sent to its end, and what it did use is
 * counted then. Without limits nothing here runs.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Admission, type Pass } from "../admission/Admission.ts"
import type { Use } from "../admission/Desk.ts"
import type { ChatRequest } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import { type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import { type PicoUsd, plus } from "../domain/Money.ts"
import type { Call } from "../providers/Provider.ts"
import { flawOfSteering } from "../validation/Routing.ts"
import { costOfAttempt, type Decision } from "./Decision.ts"
import type { Target } from "./Target.ts"

/** It came to its end, was left or was given up at the caller's own bound, so it may have used all that was held. */
const isUntold = (outcome: string | undefined): boolean =>
  outcome === undefined || outcome === "ok" || outcome === "DeadlineExceeded"

/** What every attempt used. One that was cut or given up while it was out may have used something that nobody told. */
const useOf = (decision: Decision, untold: PicoUsd): Use => {
  let tokens = 0
  let spent: PicoUsd = 0
  for (const attempt of decision.attempts) {
    const { estimated, outcome, usage } = attempt
    const used = estimated ?? usage
    // Some hosts say a total that is less than its parts.
    if (used !== undefined) tokens += Math.max(used.totalTokens, used.promptTokens + used.completionTokens)
    const cost = costOfAttempt(decision, attempt)
    if (cost === undefined) continue
    if ("picoUsd" in cost) spent = plus(spent, cost.picoUsd)
    else if (attempt.isUntold === true) {
      // Nobody told the rest, which is at most what was held.
      const { estimate: told = 0 } = cost
      spent = plus(spent, told < untold ? untold : told)
    } else if (isUntold(outcome)) spent = plus(spent, untold)
    else if (cost.estimate !== undefined) spent = plus(spent, cost.estimate < untold ? cost.estimate : untold)
  }
  return { tokens, spent }
}

/** What may be asked for. */
export type Asking = ChatRequest | EmbeddingRequest

/** A request on its way, and who may answer it. */
interface Admitted extends Pick<Call<Asking>, "source" | "request"> {
  readonly decision: Decision
}

export interface Admit {
  /** Why its caller may not call the model. */
  readonly closed: (request: Admitted) => GatewayError | undefined
  /** The pass that it needs; undefined = none. Leave it with `leave`. */
  readonly pass: (request: Admitted, targets: ReadonlyArray<Target>) => Effect.Effect<Pass, GatewayError> | undefined
}

/** Why a caller who is ruled may not ask this: an upstream behind its address would ask somebody else for it. */
const steered = (source: Admitted["source"]): GatewayError | undefined => {
  const flaw = flawOfSteering(source.members.keys())
  return flaw === undefined ? undefined : gatewayError(new InvalidRequest(flaw))
}

/** Admission, where the process has it. */
export const make: Effect.Effect<Admit | undefined> = Effect.map(Effect.serviceOption(Admission), (found) => {
  if (found._tag === "None") return undefined
  const { closed, enter, isLimited } = found.value
  return {
    closed: ({ decision: { caller }, request, source }) =>
      closed(caller, request.model) ?? (caller?.models === undefined ? undefined : steered(source)),
    pass: ({ decision, request, source }, targets) => {
      if (!isLimited(decision.caller, request.model)) return undefined
      // Of a caller with models of its own it was judged before.
      const error = decision.caller?.models === undefined ? steered(source) : undefined
      return error !== undefined ? Effect.fail(error) : enter({
        caller: decision.caller,
        request,
        text: source.text,
        targets,
        prices: decision.prices,
        atMs: decision.startedAtMs,
        note: (standings) => {
          decision.standings = standings
        }
      })
    }
  }
})

const leave = (decision: Decision, { leave, untold }: Pass): Effect.Effect<void> =>
  Effect.suspend(() => leave(useOf(decision, untold)))

/** Runs the effect once the pass is granted, and leaves it in the end. */
export type Hold<A, R> = (
  pass: Effect.Effect<Pass, GatewayError>,
  decision: Decision,
  effect: Effect.Effect<A, GatewayError, R>
) => Effect.Effect<A, GatewayError, R>

/** Holds the pass while the effect runs. */
export const during = <A, R>(
  pass: Effect.Effect<Pass, GatewayError>,
  decision: Decision,
  effect: Effect.Effect<A, GatewayError, R>
): Effect.Effect<A, GatewayError, R> => Effect.acquireUseRelease(pass, () => effect, (held) => leave(decision, held))

/** Holds the pass until the scope closes, which is when the stream's last byte has left. */
export const forStream = <A, R>(
  pass: Effect.Effect<Pass, GatewayError>,
  decision: Decision,
  effect: Effect.Effect<A, GatewayError, R>
): Effect.Effect<A, GatewayError, R | Scope.Scope> =>
  Effect.andThen(Effect.acquireRelease(pass, (held) => leave(decision, held)), effect)
