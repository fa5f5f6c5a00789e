/**
 * The record of one request: who was a candidate, who was skipped and why, what each attempt came to, who won. Filled by the
 * flow while it runs (a plain mutable record: it is on the hot path), read by the response headers, the canonical log line, the
 * server span and monitoring. `toRecord` is the one shape it is shown in.
 */
import * as Effect from "effect/Effect"
import { asEstimate, type Cost, type PriceBook } from "../accounting/Cost.ts"
import type { Standings } from "../admission/RateLimit.ts"
import { ChatRequest } from "../domain/Chat.ts"
import type { DecisionRecord, Ending, FailureClass } from "../domain/DecisionRecord.ts"
import type { Reason } from "../domain/GatewayError.ts"
import { toUsd } from "../domain/Money.ts"
import type { Principal } from "../domain/Principal.ts"
import { defaultPriority, type Priority } from "../domain/Priority.ts"
import type { Usage } from "../domain/Usage.ts"
import { Capture, Captured } from "../observability/Capture.ts"
import { modelName } from "../observability/Redaction.ts"
import type { Verdict } from "../resilience/Classification.ts"
import type { RequestTrace } from "./RequestTrace.ts"

/** One try on one target. Times are milliseconds. */
export interface AttemptRecord {
  readonly target: string
  /** The provider's name in the file, and its name of the model. */
  readonly provider: string
  readonly model: string
  readonly startedAtMs: number
  endedAtMs?: number
  /** Tag of the reason it failed with, `ok`, or `Diverged` for a resumption that said something else. */
  outcome?: string
  /** What its failure allows; absent while there is none. */
  failureClass?: FailureClass
  /** How long the flow waited before this attempt. */
  readonly waitedMs: number
  /** From sending to the answer, a stream's first content or the failure, with fractions; absent while it runs. */
  tookMs?: number
  /** The end of that on the monotonic clock. */
  settledAtMs?: number
  /** HTTP status of a failure, if the upstream gave one. */
  upstreamStatus?: number | undefined
  /** What it used as far as it said, also if it broke off or was given up later. */
  usage?: Usage | undefined
  /** The same with a guess at what it did not say, where it said something and did not count it. */
  estimated?: Usage
  /** It used more than that, and nobody said how much. */
  isUntold?: true
}

/** Counts requests of a flow. */
export interface Meter {
  /** It has ended. Called once, by the door; receipt (if it knows it) and now are milliseconds on the monotonic clock. */
  readonly ended: (decision: Decision, receivedAtMs: number | undefined, nowMs: number) => void
  /** What takes the seconds between two chunks of a target's stream. */
  readonly chunks: (target: string) => { readonly observe: (seconds: number) => void }
}

export interface Decision {
  readonly requestId: string
  /** Receipt, in milliseconds since 1970. */
  readonly startedAtMs: number
  /** When the last byte had left; absent while it runs. */
  endedAtMs?: number
  /** The end of the whole request, in milliseconds on the monotonic clock; absent until its route is known. */
  deadlineMs?: number
  /** What the caller put in `model`. */
  alias: string
  /** It is an alias of the file, and not only a caller's word. */
  isConfigured?: true
  stream: boolean
  /** What was asked for; absent = a chat completion. */
  operation?: "embeddings"
  /** Names of the targets in the order they would be asked; shared by all requests of an alias. */
  candidates: ReadonlyArray<string>
  /** Whose key was shown; absent where the door is open. */
  caller?: Principal
  /** What was left of the caller's rates; absent where it has none. */
  standings?: Standings
  /** Who goes first where not all can; default normal. */
  priority: Priority
  readonly attempts: Array<AttemptRecord>
  readonly skipped: Array<{ readonly target: string; readonly why: string }>
  /** The provider (its name in the file) and upstream model that answered. */
  provider?: string
  model?: string
  /** How often a broken stream was continued by another try. */
  resumed?: number
  /** Events of committed streams that could not be read and were passed over. */
  skippedEvents?: number
  /** Milliseconds from receipt to the first content event of a stream. */
  firstContentMs?: number
  usage?: Usage | undefined
  /** As of its attempt. */
  estimated?: Usage | undefined
  /** Prices of the flow that took the request; see `costOf`. */
  prices?: PriceBook
  /** What of its content sinks may keep; absent = nothing. */
  captured?: Captured | undefined
  /** Who counts it; the flow's own. */
  meter?: Meter
  /** Kept by `costOf`. */
  cost?: Cost
  finishReasons?: ReadonlyArray<string> | undefined
  upstreamRequestId?: string | undefined
  /** Names of the caller's parameters that the upstream that answered could not be told; see `droppedOf`. */
  dropped?: ReadonlyArray<string>
  /** Of the server span; absent while tracing is off. */
  traceId?: string
  /** Tag of the reason that ended the request, if it failed. */
  error?: string
  /** The caller left before the last byte. */
  cancelled?: boolean
  /** Absent where the request is not traced. */
  trace?: RequestTrace | undefined
}

const none: ReadonlyArray<string> = []

/** An empty record; `startedAtMs` is the receipt in milliseconds since 1970, default 0. */
export const make = (requestId: string, startedAtMs = 0): Decision => ({
  requestId,
  startedAtMs,
  alias: "",
  stream: false,
  candidates: none,
  priority: defaultPriority,
  attempts: [],
  skipped: []
})

/** Notes what sinks may keep of a request's content; undefined where they may keep nothing. */
export const keeper = Effect.map(Capture, (level) =>
  level === "none"
    ? undefined
    : (decision: Decision, request: ChatRequest): void => {
      decision.captured = new Captured(level, request)
    })

/** The class of a verdict. */
export const classOf = ({ failover, retrySame }: Verdict): FailureClass =>
  retrySame !== "no" ? "retry" : failover ? "failover" : "final"

/** Whether there is more to tell than one attempt that succeeded, or a refusal before anybody was a candidate. */
export const isEventful = ({ attempts, cancelled, error, resumed, skipped }: Decision): boolean =>
  attempts.length > 1 || skipped.length > 0 || resumed !== undefined
  || (attempts.length === 1 && (error !== undefined || cancelled === true))

/** What the caller put in `model`, as sinks may tell it; at most 256 characters. */
export const aliasOf = ({ alias, isConfigured }: Decision): string =>
  isConfigured === true ? alias.slice(0, 256) : modelName(alias)

/** `provider/model` that answered, as sinks may tell it. */
export const winnerOf = ({ model, provider }: Decision): string | undefined =>
  provider === undefined ? undefined : `${provider}/${modelName(model ?? "*")}`

const documented: ReadonlySet<string> = new Set(Object.keys(ChatRequest.fields))

/** What was left out of the request, as sinks may tell it: a name that OpenAI does not document is the caller's own word. */
export const droppedOf = ({ dropped }: Decision): ReadonlyArray<string> | undefined =>
  dropped === undefined ? undefined : [...new Set(dropped.map((name) => documented.has(name) ? name : "other"))]

/**
 * What the answer cost, or why that is not known; undefined where nobody answered. Of a stream it is for the time after its last
 * event, for it is found out once. Attempts that failed are not in it.
 */
export const costOf = (decision: Decision): Cost | undefined => {
  const { cost, estimated, model = "", prices, provider, resumed, startedAtMs, usage } = decision
  if (cost !== undefined || provider === undefined || prices === undefined) return cost
  if (resumed !== undefined) return decision.cost = { absent: "resumed" }
  return decision.cost = estimated === undefined
    ? prices.costOf(provider, model, usage, startedAtMs)
    : asEstimate(prices.costOf(provider, model, estimated, startedAtMs))
}

/** Outcomes after which nothing is charged, unless it began to answer: the upstream said no, or was not reached. */
const uncharged: ReadonlySet<string> = new Set(
  [
    "InvalidRequest",
    "UpstreamRefused",
    "ContextLengthExceeded",
    "ContentFiltered",
    "RateLimited",
    "QuotaExhausted",
    "CredentialRejected",
    "UpstreamModelMissing",
    "Overloaded",
    "UpstreamFailed",
    "UpstreamUnreachable"
  ] satisfies ReadonlyArray<Reason["_tag"]>
)

/**
 * What one attempt cost, or why that is not known; undefined where it used nothing. An attempt that was cut, given up or cancelled
 * may have cost something that nobody told.
 */
export const costOfAttempt = (decision: Decision, attempt: AttemptRecord): Cost | undefined => {
  const { prices, startedAtMs } = decision
  const { estimated, isUntold, model, outcome, provider, upstreamStatus, usage } = attempt
  if (estimated !== undefined) {
    return prices === undefined ? undefined : asEstimate(prices.costOf(provider, model, estimated, startedAtMs))
  }
  const isRefused = outcome !== undefined && uncharged.has(outcome) && upstreamStatus !== 200
  if (usage === undefined && isUntold !== true && isRefused) return undefined
  return prices?.costOf(provider, model, usage, startedAtMs)
}

/** How it ended. */
export const endingOf = ({ attempts, cancelled, error, provider }: Decision): Ending => {
  if (cancelled === true) return "cancelled"
  if (error === undefined) return "answered"
  if (provider !== undefined) return "interrupted"
  if (error === "InternalFailure") return "defect"
  if (error === "DeadlineExceeded") return "deadline"
  const last = attempts.at(-1)
  if (last === undefined) return "refused"
  return last.failureClass === "final" ? "final" : "exhausted"
}

type CostFields = Pick<DecisionRecord, "cost_usd" | "cost_source" | "cost_absent" | "estimated_usd">

const fieldsOf = (cost: Cost | undefined): CostFields => {
  if (cost === undefined) return {}
  if ("picoUsd" in cost) return { cost_usd: toUsd(cost.picoUsd), cost_source: cost.source }
  return {
    cost_absent: cost.absent,
    ...(cost.estimate === undefined ? {} : { estimated_usd: toUsd(cost.estimate) })
  }
}

/** What is known of its use. */
const useOf = (
  decision: Decision,
  attempt: AttemptRecord
): Pick<
  DecisionRecord["attempts"][number],
  "input_tokens" | "output_tokens" | "estimated_output_tokens" | Exclude<keyof CostFields, "cost_absent">
> => {
  const { estimated, usage } = attempt
  if (usage === undefined && estimated === undefined) return {}
  const { cost_absent: _, ...cost } = fieldsOf(costOfAttempt(decision, attempt))
  return {
    ...(usage === undefined ? {} : { input_tokens: usage.promptTokens, output_tokens: usage.completionTokens }),
    ...(estimated === undefined ? {} : { estimated_output_tokens: estimated.completionTokens }),
    ...cost
  }
}

const attemptOf = (decision: Decision, attempt: AttemptRecord): DecisionRecord["attempts"][number] => ({
  target: attempt.target,
  outcome: attempt.outcome ?? "unfinished",
  ...(attempt.failureClass === undefined ? {} : { class: attempt.failureClass }),
  waited_ms: Math.round(attempt.waitedMs),
  after_ms: attempt.startedAtMs - decision.startedAtMs,
  ...(attempt.endedAtMs === undefined ? {} : { duration_ms: attempt.endedAtMs - attempt.startedAtMs }),
  ...useOf(decision, attempt)
})

/** While it runs its use is not known. */
const costFields = (decision: Decision): CostFields =>
  fieldsOf(decision.endedAtMs === undefined ? decision.cost : costOf(decision))

/** The record as it is shown. */
export const toRecord = (decision: Decision): DecisionRecord => {
  const { endedAtMs, error, firstContentMs, resumed, startedAtMs, traceId, usage } = decision
  const winner = winnerOf(decision)
  const dropped = droppedOf(decision)
  return {
    request_id: decision.requestId,
    at_ms: startedAtMs,
    ...(endedAtMs === undefined ? {} : { duration_ms: endedAtMs - startedAtMs }),
    alias: aliasOf(decision),
    stream: decision.stream,
    ...(decision.operation === undefined ? {} : { operation: decision.operation }),
    candidates: decision.candidates,
    skipped: decision.skipped.map(({ target, why }) => ({ target, why })),
    attempts: decision.attempts.map((attempt) => attemptOf(decision, attempt)),
    ...(winner === undefined ? {} : { winner }),
    ...(firstContentMs === undefined ? {} : { first_content_ms: firstContentMs }),
    ...(resumed === undefined ? {} : { resumed }),
    ...(dropped === undefined ? {} : { dropped_parameters: dropped }),
    ...costFields(decision),
    ...(usage === undefined ? {} : { input_tokens: usage.promptTokens, output_tokens: usage.completionTokens }),
    ...(traceId === undefined ? {} : { trace_id: traceId }),
    ended: endingOf(decision),
    ...(error === undefined ? {} : { error })
  }
}
