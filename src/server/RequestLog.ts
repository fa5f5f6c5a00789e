/** The one canonical line of each exchange: what was asked, what was tried, what came of it. No content, no key, no header. */
import * as Context from "effect/Context"
import type { Cost } from "../accounting/Cost.ts"
import { toUsd } from "../domain/Money.ts"
import { defaultPriority } from "../domain/Priority.ts"
import type { Usage } from "../domain/Usage.ts"
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

/** A line while it is written: one object that grows, for joining several costs more than all that is in them. */
type Line = Record<string, unknown>

const addUsage = (line: Line, usage: Usage): void => {
  line["gen_ai.usage.input_tokens"] = usage.promptTokens
  line["gen_ai.usage.output_tokens"] = usage.completionTokens
  line["gen_ai.usage.cache_read.input_tokens"] = usage.cachedTokens
  line["gen_ai.usage.reasoning.output_tokens"] = usage.reasoningTokens
}

const addCost = (line: Line, cost: Cost): void => {
  if ("absent" in cost) {
    line["breakwater.cost.status"] = cost.estimate === undefined ? "unpriced" : "estimated"
    line["breakwater.cost.absent"] = cost.absent
    if (cost.estimate !== undefined) line["breakwater.cost.estimated_usd"] = toUsd(cost.estimate)
    return
  }
  const usd = toUsd(cost.picoUsd)
  // The convention's is a double; the exact decimal stands beside it.
  line["gen_ai.usage.cost"] = Number(usd)
  line["breakwater.cost.usd"] = usd
  line["breakwater.cost.source"] = cost.source
}

const addFlow = (line: Line, { decision }: Exchange): void => {
  if (decision.alias === "") return
  const cost = Decision.costOf(decision)
  const model = decision.model === undefined ? undefined : modelName(decision.model)
  line["gen_ai.operation.name"] = decision.operation ?? "chat"
  line["gen_ai.request.model"] = Decision.aliasOf(decision)
  line["gen_ai.response.model"] = model
  line["gen_ai.response.finish_reasons"] = decision.finishReasons?.map(word)
  if (decision.usage !== undefined) addUsage(line, decision.usage)
  if (cost !== undefined) addCost(line, cost)
  line["breakwater.provider"] = decision.provider
  line["breakwater.model"] = model
  line["breakwater.attempts"] = decision.attempts.length
  line["breakwater.attempt.outcomes"] = decision.attempts.map((attempt) =>
    `${attempt.target}=${attempt.outcome ?? "unfinished"}`
  )
  if (decision.skipped.length > 0) {
    line["breakwater.skipped"] = decision.skipped.map(({ target, why }) => `${target}=${why}`)
  }
  line["breakwater.stream.resumed"] = decision.resumed
  line["breakwater.stream.skipped_events"] = decision.skippedEvents
  line["breakwater.upstream.request.id"] = idOf(decision.upstreamRequestId)
  if (Decision.isEventful(decision)) line["breakwater.decision"] = Decision.toRecord(decision)
  if (decision.captured !== undefined) Object.assign(line, decision.captured.attributes())
  line["ttft_ms"] = decision.firstContentMs
  line["stream"] = decision.stream
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
  const { decision, keyName, method, requestId, route, startedAtMs, status } = exchange
  const line: Line = { "event.name": completed, "breakwater.request.id": requestId }
  for (const name in trace) line[name] = trace[name]
  line["http.request.method"] = method
  line["http.route"] = route
  line["http.response.status_code"] = status === 0 ? 499 : status
  line["error.type"] = isCancelled ? "cancelled" : decision.error
  if (isCancelled) line["cancelled"] = true
  line["breakwater.key"] = keyName
  if (decision.priority !== defaultPriority) line["breakwater.priority"] = decision.priority
  addFlow(line, exchange)
  line["duration_ms"] = nowMs - startedAtMs
  log.event(level, nowMs, `${method} ${route} ${isCancelled ? "cancelled" : status}`, line)
}
