/**
 * The record of one request: who was a candidate, who was skipped and why, what each attempt came to, who won. Filled by the
 * flow while it runs (a plain mutable record: it is on the hot path), read by the response headers, the canonical log line, the
 * server span and monitoring. `toRecord` is the one shape it is shown in.
 */
import type { Cost, PriceBook } from "../accounting/Cost.ts"
import type { DecisionRecord, Ending, FailureClass } from "../domain/DecisionRecord.ts"
import { toUsd } from "../domain/Money.ts"
import { defaultPriority, type Priority } from "../domain/Priority.ts"
import type { Usage } from "../domain/Usage.ts"
import type { Verdict } from "../resilience/Classification.ts"

/** One try on one target. Times are milliseconds. */
export interface AttemptRecord {
  readonly target: string
  readonly startedAtMs: number
  endedAtMs?: number
  /** Tag of the reason it failed with, `ok`, or `Diverged` for a resumption that said something else. */
  outcome?: string
  /** What its failure allows; absent while there is none. */
  failureClass?: FailureClass
  /** How long the flow waited before this attempt. */
  readonly waitedMs: number
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
  stream: boolean
  /** Names of the targets in the order they would be asked; shared by all requests of an alias. */
  candidates: ReadonlyArray<string>
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
  /** Prices of the flow that took the request; see `costOf`. */
  prices?: PriceBook
  /** Kept by `costOf`. */
  cost?: Cost
  finishReasons?: ReadonlyArray<string> | undefined
  upstreamRequestId?: string | undefined
  /** Of the server span; absent while tracing is off. */
  traceId?: string
  /** Tag of the reason that ended the request, if it failed. */
  error?: string
  /** The caller left before the last byte. */
  cancelled?: boolean
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

/** The class of a verdict. */
export const classOf = ({ failover, retrySame }: Verdict): FailureClass =>
  retrySame !== "no" ? "retry" : failover ? "failover" : "final"

/** Whether there is more to tell than one attempt that succeeded, or a refusal before anybody was a candidate. */
export const isEventful = ({ attempts, cancelled, error, resumed, skipped }: Decision): boolean =>
  attempts.length > 1 || skipped.length > 0 || resumed !== undefined
  || (attempts.length === 1 && (error !== undefined || cancelled === true))

/** `provider/model` that answered. */
export const winnerOf = ({ model, provider }: Decision): string | undefined =>
  provider === undefined ? undefined : `${provider}/${model ?? "*"}`

/**
 * What the answer cost, or why that is not known; undefined where nobody answered. Of a stream it is for the time after its last
 * event, for it is found out once. Attempts that failed are not in it.
 */
export const costOf = (decision: Decision): Cost | undefined => {
  const { cost, model, prices, provider, resumed, startedAtMs, usage } = decision
  if (cost !== undefined || provider === undefined || prices === undefined) return cost
  return decision.cost = resumed === undefined
    ? prices.costOf(provider, model ?? "", usage, startedAtMs)
    : { absent: "resumed" }
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

const attemptOf = (attempt: AttemptRecord, startedAtMs: number): DecisionRecord["attempts"][number] => ({
  target: attempt.target,
  outcome: attempt.outcome ?? "unfinished",
  ...(attempt.failureClass === undefined ? {} : { class: attempt.failureClass }),
  waited_ms: Math.round(attempt.waitedMs),
  after_ms: attempt.startedAtMs - startedAtMs,
  ...(attempt.endedAtMs === undefined ? {} : { duration_ms: attempt.endedAtMs - attempt.startedAtMs })
})

const costFields = (decision: Decision): Pick<DecisionRecord, "cost_usd" | "cost_source" | "cost_absent"> => {
  // While it runs its use is not known.
  const cost = decision.endedAtMs === undefined ? decision.cost : costOf(decision)
  if (cost === undefined) return {}
  return "absent" in cost
    ? { cost_absent: cost.absent }
    : { cost_usd: toUsd(cost.picoUsd), cost_source: cost.source }
}

/** The record as it is shown. */
export const toRecord = (decision: Decision): DecisionRecord => {
  const { endedAtMs, error, firstContentMs, resumed, startedAtMs, traceId, usage } = decision
  const winner = winnerOf(decision)
  return {
    request_id: decision.requestId,
    at_ms: startedAtMs,
    ...(endedAtMs === undefined ? {} : { duration_ms: endedAtMs - startedAtMs }),
    alias: decision.alias.slice(0, 256),
    stream: decision.stream,
    candidates: decision.candidates,
    skipped: decision.skipped.map(({ target, why }) => ({ target, why })),
    attempts: decision.attempts.map((attempt) => attemptOf(attempt, startedAtMs)),
    ...(winner === undefined ? {} : { winner }),
    ...(firstContentMs === undefined ? {} : { first_content_ms: firstContentMs }),
    ...(resumed === undefined ? {} : { resumed }),
    ...costFields(decision),
    ...(usage === undefined ? {} : { input_tokens: usage.promptTokens, output_tokens: usage.completionTokens }),
    ...(traceId === undefined ? {} : { trace_id: traceId }),
    ended: endingOf(decision),
    ...(error === undefined ? {} : { error })
  }
}
