/** The one canonical line of each exchange: what was asked, what was tried, what came of it. No content, no key, no header. */
import * as Context from "effect/Context"
import type { Cost } from "../accounting/Cost.ts"
import { toUsd } from "../domain/Money.ts"
import { defaultPriority } from "../domain/Priority.ts"
import type { Usage } from "../domain/Usage.ts"
import * as Decision from "../gateway/Decision.ts"
import type { Fields, Severity } from "../observability/LogFormat.ts"
import { completed, type Correlate, type EventLogShape } from "../observability/Logger.ts"
import { scrubKeys } from "../observability/Redaction.ts"
import { CurrentExchange, type Exchange } from "./Exchange.ts"

const quiet: ReadonlySet<string> = new Set([
  "/metrics",
  "/api/v1/health",
  "/api/v1/health/live",
  "/api/v1/health/ready",
  "/api/v1/health/startup"
])

/** The request's id, for every line that is written on its behalf. */
export const correlate: Correlate = (context) => {
  const exchange = Context.getOrUndefined(context, CurrentExchange)
  return exchange === undefined ? {} : { "breakwater.request.id": exchange.requestId }
}

const severity = (exchange: Exchange, isCancelled: boolean): Severity => {
  if (exchange.decision.error === "InternalFailure") return "error"
  if (exchange.status >= 500 || (exchange.status === 200 && exchange.decision.error !== undefined)) return "warn"
  return quiet.has(exchange.route) && !isCancelled ? "debug" : "info"
}

const usageFields = (usage: Usage): Fields => ({
  "gen_ai.usage.input_tokens": usage.promptTokens,
  "gen_ai.usage.output_tokens": usage.completionTokens,
  "gen_ai.usage.cache_read.input_tokens": usage.cachedTokens,
  "gen_ai.usage.reasoning.output_tokens": usage.reasoningTokens
})

const costFields = (cost: Cost): Fields => {
  if ("absent" in cost) return { "breakwater.cost.status": "unpriced", "breakwater.cost.absent": cost.absent }
  const usd = toUsd(cost.picoUsd)
  // The convention's is a double; the exact decimal stands beside it.
  return { "gen_ai.usage.cost": Number(usd), "breakwater.cost.usd": usd, "breakwater.cost.source": cost.source }
}

// An upstream writes what it likes; what is no word, or no id, is not told.
const word = (said: string): string => /^\w{1,40}$/.test(said) ? said : "other"
const idOf = (said: string | undefined): string | undefined =>
  said === undefined || /^[\w.:=+/-]+$/.test(said) ? said : undefined

const flowFields = (exchange: Exchange): Fields => {
  const { decision } = exchange
  if (decision.alias === "") return {}
  const cost = Decision.costOf(decision)
  return {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": scrubKeys(decision.alias.slice(0, 256)),
    "gen_ai.response.model": decision.model,
    "gen_ai.response.finish_reasons": decision.finishReasons?.map(word),
    ...(decision.usage === undefined ? {} : usageFields(decision.usage)),
    ...(cost === undefined ? {} : costFields(cost)),
    "breakwater.provider": decision.provider,
    "breakwater.model": decision.model,
    "breakwater.attempts": decision.attempts.length,
    "breakwater.attempt.outcomes": decision.attempts.map((attempt) =>
      `${attempt.target}=${attempt.outcome ?? "unfinished"}`
    ),
    "breakwater.skipped": decision.skipped.length === 0
      ? undefined
      : decision.skipped.map(({ target, why }) => `${target}=${why}`),
    "breakwater.stream.resumed": decision.resumed,
    "breakwater.stream.skipped_events": decision.skippedEvents,
    "breakwater.upstream.request.id": idOf(decision.upstreamRequestId),
    "breakwater.decision": Decision.isEventful(decision) ? Decision.toRecord(decision) : undefined,
    ...decision.captured?.attributes(),
    ttft_ms: decision.firstContentMs,
    stream: decision.stream
  }
}

/** Writes the line. `isCancelled`: the caller left before the last byte. */
export const write = (
  log: EventLogShape,
  exchange: Exchange,
  nowMs: number,
  isCancelled: boolean,
  trace: Fields
): void => {
  const level = severity(exchange, isCancelled)
  if (!log.isEnabled(level)) return
  log.event(level, nowMs, `${exchange.method} ${exchange.route} ${isCancelled ? "cancelled" : exchange.status}`, {
    "event.name": completed,
    "breakwater.request.id": exchange.requestId,
    ...trace,
    "http.request.method": exchange.method,
    "http.route": exchange.route,
    "http.response.status_code": exchange.status === 0 ? 499 : exchange.status,
    "error.type": isCancelled ? "cancelled" : exchange.decision.error,
    cancelled: isCancelled ? true : undefined,
    "breakwater.key": exchange.keyName,
    "breakwater.priority": exchange.decision.priority === defaultPriority ? undefined : exchange.decision.priority,
    ...flowFields(exchange),
    duration_ms: nowMs - exchange.startedAtMs
  })
}
