/**
 * What would happen to a request for a model now, without sending anything: its targets in the order they would be asked, who
 * would be skipped and why. It judges what monitoring shows of a target, so the targets of a running server serve as well.
 */
import * as Effect from "effect/Effect"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { StateName } from "../resilience/CircuitBreaker.ts"
import type { TimeoutSettings } from "../resilience/Deadline.ts"
import { make as makeDecision } from "./Decision.ts"
import type { CompletionRequest } from "./FlowRequest.ts"
import { Health, type TargetHealth } from "./Health.ts"
import { type Route, Routes } from "./Route.ts"
import { forChat } from "./Suitability.ts"

/** One target of a plan, as JSON shows it. */
export interface PlannedTarget {
  /** `provider/model`. */
  readonly target: string
  readonly wouldAsk: boolean
  /** In words, such as `asked first` or `skipped: circuit open, next try in 1.2s`. */
  readonly why: string
  readonly state: StateName
  readonly inFlight: number
  readonly waiting: number
  /** Requests it may have in flight; absent = unlimited. */
  readonly limit?: number | undefined
  /** Share of the requests that ask it first, 0 to 1, by the weights alone. */
  readonly share: number
}

export interface Plan {
  readonly model: string
  /** Of the file, or named as a model of a provider. */
  readonly kind: "alias" | "model"
  readonly strategy: "ordered" | "weighted"
  /** Milliseconds. */
  readonly timeouts: TimeoutSettings
  /** What becomes of a stream that breaks after its first content. */
  readonly onInterrupted: "error" | "resume" | "buffer"
  /** In the order they would be asked; with `weighted` that of one draw. */
  readonly targets: ReadonlyArray<PlannedTarget>
  /** False when every target would be skipped: the request would be refused with a 503. */
  readonly wouldAsk: boolean
  /** Milliseconds until a target may be asked again, where none would be asked now and it is known. */
  readonly retryAfterMs?: number | undefined
}

/** What a part of a target's state means for the next request. */
interface Judgement {
  readonly wouldAsk: boolean
  readonly why: string
  readonly retryAfterMs?: number | undefined
}

/** What is judged of a target: a part of what monitoring shows, where machines that it has not are absent. */
export type PlanState =
  & Pick<TargetHealth, "target" | "breaker" | "inFlight" | "waiting">
  & {
    readonly limit?: number | undefined
    /** How long it has yet to be left alone. */
    readonly cooldownMs?: number | undefined
    /** Its credentials' states; one that starts with `dead` is of no use. */
    readonly credentials?: ReadonlyArray<string> | undefined
  }

type Judge = (state: PlanState) => Judgement | undefined

/** `1.2s`, `350ms`: short and with its unit. */
export const duration = (ms: number): string =>
  ms < 1000
    ? `${Math.round(ms)}ms`
    : ms < 120_000
    ? `${Math.round(ms / 100) / 10}s`
    : `${Math.round(ms / 6000) / 10}m`

const because = (reason: string | undefined): string => reason === undefined ? "" : ` (${reason})`

const judgeCircuit: Judge = ({ breaker: { reason, retryAfterMs, state } }) => {
  const isRefusing = retryAfterMs !== undefined
  switch (state) {
    case "closed":
      return undefined
    case "open":
      return isRefusing
        ? { wouldAsk: false, why: `circuit open, next try in ${duration(retryAfterMs)}`, retryAfterMs }
        : { wouldAsk: true, why: "as a probe of its open circuit" }
    case "half-open":
      return isRefusing
        ? { wouldAsk: false, why: "circuit half-open, a probe is under way", retryAfterMs }
        : { wouldAsk: true, why: "as a probe of its half-open circuit" }
    case "forced-open":
      return { wouldAsk: false, why: `forced open by an operator${because(reason)}`, retryAfterMs }
    case "forced-closed":
      return { wouldAsk: true, why: `forced closed by an operator${because(reason)}` }
    case "metrics-only":
      return { wouldAsk: true, why: `its breaker only counts${because(reason)}` }
  }
}

const judgePlace: Judge = ({ inFlight, limit }) =>
  limit === undefined || inFlight < limit
    ? undefined
    : { wouldAsk: true, why: `after waiting for one of its ${limit} places` }

const judgeCooldown: Judge = ({ cooldownMs = 0 }) =>
  cooldownMs > 0
    ? { wouldAsk: false, why: `cooling down, asked again in ${duration(cooldownMs)}`, retryAfterMs: cooldownMs }
    : undefined

const judgeCredentials: Judge = ({ credentials = [] }) =>
  credentials.length > 0 && credentials.every((credential) => credential.startsWith("dead"))
    ? { wouldAsk: false, why: "no credential left that the provider takes" }
    : undefined

/** In the order of what a reader should hear first; a machine that can turn a target away adds its judge. */
const judges: ReadonlyArray<Judge> = [judgeCircuit, judgeCooldown, judgeCredentials, judgePlace]

/** Of a target that an operator lets nothing turn away; see `Pause.isForced`. */
const judgesOfForced: ReadonlyArray<Judge> = [judgeCircuit, judgePlace]

const judge = (state: PlanState): Judgement => {
  const isForced = state.breaker.state === "forced-closed" || state.breaker.state === "metrics-only"
  const found = (isForced ? judgesOfForced : judges).flatMap((one) => one(state) ?? [])
  return found.find(({ wouldAsk }) => !wouldAsk)
    ?? { wouldAsk: true, why: found.map(({ why }) => why).join(", ") }
}

const idle = (target: string): PlanState => ({
  target,
  breaker: { state: "closed", failureRate: 0, slowRate: 0, callsInWindow: 0, openings: 0 },
  inFlight: 0,
  waiting: 0
})

/**
 * Where nobody would be asked, but for a circuit that is probed before its time: as `Failover` does it when all circuits are open,
 * the one that is due first, unless one of them is being probed or was not long ago.
 */
const lastResort = (seen: ReadonlyArray<PlanState>): PlanState | undefined => {
  const isProbed = seen.some(({ breaker: { lastResortAfterMs, state } }) =>
    state === "half-open" || (state === "open" && lastResortAfterMs !== undefined)
  )
  if (isProbed) return undefined
  return seen
    .filter((one) =>
      one.breaker.state === "open" && judgeCooldown(one) === undefined && judgeCredentials(one) === undefined
    )
    .toSorted((a, b) => (a.breaker.retryAfterMs ?? 0) - (b.breaker.retryAfterMs ?? 0))[0]
}

const asLastResort: Judgement = {
  wouldAsk: true,
  why: "as the last resort: its open circuit is probed before its time"
}

/** What becomes of each target, in the order they would be asked. */
const judgeAll = (seen: ReadonlyArray<PlanState>): ReadonlyArray<Judgement> => {
  const judged = seen.map(judge)
  if (judged.some(({ wouldAsk }) => wouldAsk)) return judged
  const last = lastResort(seen)
  return judged.map((one, at) => seen[at] === last ? asLastResort : one)
}

/** Of the request that is planned: its text and what it asks. */
export type PlannedRequest = Pick<CompletionRequest, "source" | "request">

/** Why a target cannot serve the request, by its name. Fails where none can. */
const unsuited = (
  route: Route,
  planned: PlannedRequest | undefined
): Effect.Effect<ReadonlyMap<string, Judgement>, GatewayError> => {
  if (planned === undefined) return Effect.succeed(new Map())
  const decision = makeDecision("explain", 0)
  const suited = forChat(route, { ...planned, decision })
  return "_tag" in suited
    ? Effect.fail(suited)
    : Effect.succeed(new Map(decision.skipped.map(({ target, why }) => [target, { wouldAsk: false, why }])))
}

/** The place of a target in the order, in words. */
const place = (before: string | undefined, { why }: Judgement): string =>
  `${before === undefined ? "asked first" : `asked when ${before} fails`}${why === "" ? "" : `, ${why}`}`

/**
 * The plan for a model, by the states of the targets here, or by `states` of a running server; for one request, also by what its
 * targets can do. Draws a weighted order as a request would. Fails with `ModelNotFound`, or where no target can serve the request.
 */
export const make = Effect.fnUntraced(function*(
  model: string,
  states?: ReadonlyArray<PlanState>,
  request?: PlannedRequest
): Effect.fn.Return<Plan, GatewayError, Routes | Health> {
  const routes = yield* Routes
  const { kind, onInterrupted, strategy, targets, timeouts, weights } = yield* routes.describe(model)
  const route = yield* routes.resolve(model)
  const drawn = route.targets
  const unable = yield* unsuited(route, request)
  const judged: ReadonlyArray<PlanState> = states ?? (yield* (yield* Health).targets)
  const known = new Map(judged.map((state) => [state.target, state]))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let before: string | undefined
  let retryAfterMs: number | undefined
  const seen = drawn.map(({ name }) => known.get(name) ?? idle(name))
  const able = seen.filter((_, index) => !unable.has(drawn[index]?.name ?? ""))
  const judgements = new Map(judgeAll(able).map((judgement, at) => [able[at], judgement]))
  const planned = drawn.map((target, index): PlannedTarget => {
    const state = seen[index] ?? idle(target.name)
    const judgement = unable.get(target.name) ?? judgements.get(state) ?? judge(state)
    const name = `${target.provider.name}/${target.model}`
    const why = judgement.wouldAsk ? place(before, judgement) : `skipped: ${judgement.why}`
    if (judgement.wouldAsk) before = name
    else if (judgement.retryAfterMs !== undefined) {
      retryAfterMs = Math.min(retryAfterMs ?? Number.POSITIVE_INFINITY, judgement.retryAfterMs)
    }
    const at = targets.findIndex((one) => one.name === target.name)
    const share = strategy === "ordered" || total === 0
      ? (at === 0 ? 1 : 0)
      : (weights[at] ?? 0) / total
    const { breaker, inFlight, limit, waiting } = state
    return { target: name, wouldAsk: judgement.wouldAsk, why, state: breaker.state, inFlight, waiting, limit, share }
  })
  const wouldAsk = before !== undefined
  return {
    model,
    kind,
    strategy,
    timeouts,
    onInterrupted,
    targets: planned,
    wouldAsk,
    retryAfterMs: wouldAsk ? undefined : retryAfterMs
  }
})
