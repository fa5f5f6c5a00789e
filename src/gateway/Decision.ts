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
  endedAtMs?: number | undefined
  /** Tag of the reason it failed with, `ok`, or `Diverged` for a resumption that said something else. */
  outcome?: string | undefined
  /** What its failure allows; absent while there is none. */
  failureClass?: FailureClass | undefined
  /** How long the flow waited before this attempt. */
  readonly waitedMs: number
  /** From sending to the answer, a stream's first content or the failure, with fractions; absent while it runs. */
  tookMs?: number | undefined
  /** The end of that on the monotonic clock. */
  settledAtMs?: number | undefined
  /** HTTP status of a failure, if the upstream gave one. */
  upstreamStatus?: number | undefined
  /** What it used as far as it said, also if it broke off or was given up later. */
  usage?: Usage | undefined
  /** The same with a guess at what it did not say, where it said something and did not count it. */
  estimated?: Usage | undefined
  /** It used more than that, and nobody said how much. */
  isUntold?: true | undefined
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
  endedAtMs?: number | undefined
  /** The end of the whole request, in milliseconds on the monotonic clock; absent until its route is known. */
  deadlineMs?: number | undefined
  /** What the caller put in `model`. */
  alias: string
  /** It is an alias of the file, and not only a caller's word. */
  isConfigured?: true | undefined
  stream: boolean
  /** What was asked for; absent = a chat completion. */
  operation?: "embeddings" | undefined
  /** Names of the targets in the order they would be asked; shared by all requests of an alias. */
  candidates: ReadonlyArray<string>
  /** Whose key was shown; absent where the door is open. */
  caller?: Principal | undefined
  /** What was left of the caller's rates; absent where it has none. */
  standings?: Standings | undefined
  /** Who goes first where not all can; default normal. */
  priority: Priority
  readonly attempts: Array<AttemptRecord>
  readonly skipped: Array<{ readonly target: string; readonly why: string }>
  /** The provider (its name in the file) and upstream model that answered. */
  provider?: string | undefined
  model?: string | undefined
  /** How often a broken stream was continued by another try. */
  resumed?: number | undefined
  /** Events of committed streams that could not be read and were passed over. */
  skippedEvents?: number | undefined
  /** Milliseconds from receipt to the first content event of a stream. */
  firstContentMs?: number | undefined
  usage?: Usage | undefined
  /** As of its attempt. */
  estimated?: Usage | undefined
  /** Prices of the flow that took the request; see `costOf`. */
  prices?: PriceBook | undefined
  /** What of its content sinks may keep; absent = nothing. */
  captured?: Captured | undefined
  /** Who counts it; the flow's own. */
  meter?: Meter | undefined
  /** Kept by `costOf`. */
  cost?: Cost | undefined
  finishReasons?: ReadonlyArray<string> | undefined
  upstreamRequestId?: string | undefined
  /** Names of the caller's parameters that the upstream that answered could not be told; see `droppedOf`. */
  dropped?: ReadonlyArray<string> | undefined
  /** Of the server span; absent while tracing is off. */
  traceId?: string | undefined
  /** Tag of the reason that ended the request, if it failed. */
  error?: string | undefined
  /** The caller left before the last byte. */
  cancelled?: boolean | undefined
  /** Absent where the request is not traced. */
  trace?: RequestTrace | undefined
}

const none: ReadonlyArray<string> = []

/**
 * An empty record; `startedAtMs` is the receipt in milliseconds since 1970, default 0. All members are there from the first: one that
 * is added later makes a record of another shape, which everything that reads it has to look up.
 */
export const make = (requestId: string, startedAtMs = 0): Decision => ({
  requestId,
  startedAtMs,
  endedAtMs: undefined,
  deadlineMs: undefined,
  alias: "",
  isConfigured: undefined,
  stream: false,
  operation: undefined,
  candidates: none,
  caller: undefined,
  standings: undefined,
  priority: defaultPriority,
  attempts: [],
  skipped: [],
  provider: undefined,
  model: undefined,
  resumed: undefined,
  skippedEvents: undefined,
  firstContentMs: undefined,
  usage: undefined,
  estimated: undefined,
  prices: undefined,
  captured: undefined,
  meter: undefined,
  cost: undefined,
  finishReasons: undefined,
  upstreamRequestId: undefined,
  dropped: undefined,
  traceId: undefined,
  error: undefined,
  cancelled: undefined,
  trace: undefined
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
