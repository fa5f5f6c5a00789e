/** The one canonical line of each exchange: what was asked, what was tried, what came of it. No content, no key, no header. */
import * as Context from "effect/Context"
import type { Cost } from "../accounting/Cost.ts"
import { toUsd } from "../domain/Money.ts"
import { defaultPriority } from "../domain/Priority.ts"
import * as Decision from "../gateway/Decision.ts"
import type { Fields, Severity } from "../observability/LogFormat.ts"
import { completed, type Correlate, type EventLogShape } from "../observability/Logger.ts"
import { idOf, modelName, word } from "../observability/Redaction.ts"
import { CurrentExchange, type Exchange } from "./Exchange.ts"
import { isProbe } from "./RouteTable.ts"

/** The request's id, for every line that is written on its behalf. */
export const correlate: Correlate = (context) => {
  const exchange = Context.getOrUndefined(context, CurrentExchange)
  return exchange === undefined ? {} : { "breakwater.request.id": exchange.requestId }
}

const severity = (exchange: Exchange, isCancelled: boolean): Severity => {
  if (exchange.decision.error === "InternalFailure") return "error"
  if (exchange.status >= 500 || (exchange.status === 200 && exchange.decision.error !== undefined)) return "warn"
  return isProbe(exchange.route) && !isCancelled ? "debug" : "info"
}

/** What it cost, as the line tells it. */
const costFields = (cost: Cost | undefined) => {
  const absent = cost !== undefined && "absent" in cost ? cost : undefined
  const known = cost !== undefined && "picoUsd" in cost ? cost : undefined
  const usd = known === undefined ? undefined : toUsd(known.picoUsd)
  return { absent, usd, source: known?.source, estimate: absent?.estimate }
}

/**
 * The line of an exchange: one object with every member from the first, for one that grows member by member, or that is joined from
 * several, costs more than all that is in it.
 */
const lineOf = (exchange: Exchange, nowMs: number, isCancelled: boolean, trace: Fields): Fields => {
  const { decision, keyName, method, requestId, route, startedAtMs, status } = exchange
  const { attempts, priority, skipped, usage } = decision
  const isFlow = decision.alias !== ""
  const { absent, estimate, source, usd } = costFields(isFlow ? Decision.costOf(decision) : undefined)
  const model = decision.model === undefined ? undefined : modelName(decision.model)
  return {
    "event.name": completed,
    "breakwater.request.id": requestId,
    trace_id: trace["trace_id"],
    span_id: trace["span_id"],
    "http.request.method": method,
    "http.route": route,
    "http.response.status_code": status === 0 ? 499 : status,
    "error.type": isCancelled ? "cancelled" : decision.error,
    cancelled: isCancelled ? true : undefined,
    "breakwater.key": keyName,
    "breakwater.priority": priority === defaultPriority ? undefined : priority,
    "gen_ai.operation.name": isFlow ? decision.operation ?? "chat" : undefined,
    "gen_ai.request.model": isFlow ? Decision.aliasOf(decision) : undefined,
    "gen_ai.response.model": model,
    "gen_ai.response.finish_reasons": decision.finishReasons?.map(word),
    "gen_ai.usage.input_tokens": usage?.promptTokens,
    "gen_ai.usage.output_tokens": usage?.completionTokens,
    "gen_ai.usage.cache_read.input_tokens": usage?.cachedTokens,
    "gen_ai.usage.reasoning.output_tokens": usage?.reasoningTokens,
    // The convention's is a double; the exact decimal stands beside it.
    "gen_ai.usage.cost": usd === undefined ? undefined : Number(usd),
    "breakwater.cost.usd": usd,
    "breakwater.cost.source": source,
    "breakwater.cost.status": absent === undefined ? undefined : estimate === undefined ? "unpriced" : "estimated",
    "breakwater.cost.absent": absent?.absent,
    "breakwater.cost.estimated_usd": estimate === undefined ? undefined : toUsd(estimate),
    "breakwater.provider": decision.provider,
    "breakwater.model": model,
    "breakwater.attempts": isFlow ? attempts.length : undefined,
    "breakwater.attempt.outcomes": isFlow
      ? attempts.map(({ outcome, target }) => `${target}=${outcome ?? "unfinished"}`)
      : undefined,
    "breakwater.skipped": skipped.length > 0 ? skipped.map(({ target, why }) => `${target}=${why}`) : undefined,
    "breakwater.stream.resumed": decision.resumed,
    "breakwater.stream.skipped_events": decision.skippedEvents,
    "breakwater.upstream.request.id": idOf(decision.upstreamRequestId),
    "breakwater.decision": isFlow && Decision.isEventful(decision) ? Decision.toRecord(decision) : undefined,
    ttft_ms: decision.firstContentMs,
    stream: isFlow ? decision.stream : undefined,
    duration_ms: nowMs - startedAtMs
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
  const { method, route, status } = exchange
  const line = lineOf(exchange, nowMs, isCancelled, trace)
  const captured = exchange.decision.captured?.attributes()
  log.event(
    level,
    nowMs,
    `${method} ${route} ${isCancelled ? "cancelled" : status}`,
    captured === undefined ? line : { ...line, ...captured }
  )
}
