/**
 * Every metric there is: its name, unit, buckets and labels. `gen_ai.*` and `http.*` are OpenTelemetry's (GenAI conventions 1.41,
 * HTTP stable), `breakwater.*` our own. The page in docs is made from it.
 */
import type { Definition } from "./Instruments.ts"

const counter = (name: string, unit: string, description: string, labels: ReadonlyArray<string> = []) =>
  ({ name, kind: "counter", unit, description, labels }) as const satisfies Definition

const gauge = (
  name: string,
  unit: string,
  description: string,
  labels: ReadonlyArray<string> = [],
  together: "highest" | "sum" = "highest"
) => ({ name, kind: "gauge", unit, description, labels, together }) as const satisfies Definition

/** One whose processes are added up. */
const summed = (name: string, unit: string, description: string) => gauge(name, unit, description, [], "sum")

const histogram = (
  name: string,
  unit: string,
  description: string,
  bounds: ReadonlyArray<number>,
  labels: ReadonlyArray<string> = []
) => ({ name, kind: "histogram", unit, description, bounds, labels }) as const satisfies Definition

const genAiSeconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
const genAiTokens = Array.from({ length: 14 }, (_, power) => 4 ** power)
const httpSeconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** As the HTTP convention advises, widened to ten minutes for long answers. */
const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const overheadSeconds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05]

const server = ["server.address", "server.port"]
const genAi = ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", ...server, "target"]

export const operationDuration = histogram(
  "gen_ai.client.operation.duration",
  "s",
  "One call to a target with its retries, a stream to its last byte.",
  genAiSeconds,
  [...genAi, "error.type"]
)
export const timeToFirstChunk = histogram(
  "gen_ai.client.operation.time_to_first_chunk",
  "s",
  "From sending to the first content of a stream.",
  genAiSeconds,
  genAi
)
export const timePerOutputChunk = histogram(
  "gen_ai.client.operation.time_per_output_chunk",
  "s",
  "Between two chunks of a stream, for each chunk after the first.",
  genAiSeconds,
  genAi
)
export const tokenUsage = histogram(
  "gen_ai.client.token.usage",
  "{token}",
  "Tokens that the provider counted for an answer; cached ones are input, reasoning is output.",
  genAiTokens,
  [...genAi, "gen_ai.token.type"]
)

const usage = (name: string, description: string) =>
  counter(`gen_ai.client.inference.usage.${name}`, "{token}", description, [...genAi, "gen_ai.token.modality"])

/** In the place of the four above, where `latest` is chosen. */
export const latest = {
  duration: histogram(
    "gen_ai.client.inference.duration",
    "s",
    operationDuration.description,
    genAiSeconds,
    operationDuration.labels
  ),
  timeToFirstChunk: histogram(
    "gen_ai.client.inference.time_to_first_chunk",
    "s",
    timeToFirstChunk.description,
    genAiSeconds,
    genAi
  ),
  timePerOutputChunk: histogram(
    "gen_ai.client.inference.time_per_output_chunk",
    "s",
    timePerOutputChunk.description,
    genAiSeconds,
    genAi
  ),
  inputTokens: usage("input_tokens", "Input tokens, cached ones included."),
  outputTokens: usage("output_tokens", "Output tokens, reasoning included."),
  cacheReadTokens: usage("cache_read.input_tokens", "Input tokens that were read from the provider's cache."),
  cacheWriteTokens: usage("cache_write.input_tokens", "Input tokens that were written to the provider's cache."),
  reasoningTokens: usage("reasoning.output_tokens", "Output tokens that were reasoning."),
  operationInput: histogram(
    "gen_ai.client.inference.operation.input_tokens",
    "{token}",
    "Input tokens of an answer.",
    genAiTokens,
    genAi
  ),
  operationOutput: histogram(
    "gen_ai.client.inference.operation.output_tokens",
    "{token}",
    "Output tokens of an answer.",
    genAiTokens,
    genAi
  )
}

export const httpServerDuration = histogram(
  "http.server.request.duration",
  "s",
  "From receipt to the last byte.",
  httpSeconds,
  ["http.request.method", "http.route", "http.response.status_code", "url.scheme", "error.type"]
)
export const httpClientDuration = histogram(
  "http.client.request.duration",
  "s",
  "One attempt on an upstream: a whole answer, or a stream to its first content.",
  httpSeconds,
  ["http.request.method", ...server, "http.response.status_code", "target", "error.type"]
)

const byRoute = ["route", "status"]
export const requests = counter("breakwater.requests", "{request}", "Requests that have ended.", byRoute)
export const requestAttempts = counter(
  "breakwater.request.attempts",
  "{attempt}",
  "Attempts on upstreams, by route.",
  byRoute
)
export const requestDuration = histogram(
  "breakwater.request.duration",
  "s",
  "From receipt to the last byte, in wider buckets than the convention's.",
  requestSeconds,
  byRoute
)
export const overhead = histogram(
  "breakwater.overhead.duration",
  "s",
  "What a completion took beside waiting for upstreams and pauses between tries; of a stream, up to its first content.",
  overheadSeconds
)

const target = ["target"]
export const breakerState = gauge("breakwater.breaker.state", "", "0 closed, 1 half-open, 2 open, 3 forced.", target)
export const breakerTransitions = counter(
  "breakwater.breaker.transitions",
  "{transition}",
  "Changes of a breaker's state.",
  ["target", "from", "to"]
)
export const breakerRejections = counter(
  "breakwater.breaker.rejections",
  "{call}",
  "Calls that a breaker did not let through.",
  target
)
export const skips = counter(
  "breakwater.skips",
  "{call}",
  "Times that a target was passed over without being asked.",
  ["target", "reason"]
)
export const retries = counter(
  "breakwater.retries",
  "{attempt}",
  "Attempts on the same target again, by what the one before came to.",
  ["target", "error.type"]
)
export const failovers = counter(
  "breakwater.failovers",
  "{attempt}",
  "Attempts on another target, by what the one before came to.",
  ["from", "to", "error.type"]
)
export const resumptions = counter(
  "breakwater.resumptions",
  "{stream}",
  "Broken streams that another try went on with, by the target that did.",
  target
)
export const cooldowns = counter(
  "breakwater.cooldowns",
  "{pause}",
  "Pauses that a target asked for and that were noted for everyone.",
  ["target", "error.type"]
)
export const cooldownRemaining = gauge(
  "breakwater.cooldown.remaining",
  "s",
  "How long a target has yet to be left alone.",
  target
)
export const retryBudget = gauge(
  "breakwater.retry.budget",
  "{token}",
  "What is left of a target's retry budget.",
  target,
  "sum"
)
export const targetInFlight = gauge(
  "breakwater.target.in_flight",
  "{request}",
  "Calls of a target in flight, streams to their last byte.",
  target,
  "sum"
)
export const queueLength = gauge(
  "breakwater.queue.length",
  "{request}",
  "Requests that wait for a place on a target.",
  target,
  "sum"
)

export const cost = counter(
  "breakwater.cost.usd",
  "{USD}",
  "USD that answers cost; a double, the request's own line has the exact decimal.",
  target
)
export const unpriced = counter("breakwater.unpriced", "{answer}", "Answers whose cost is not known.", target)
export const estimated = counter(
  "breakwater.estimated",
  "{answer}",
  "Of those whose cost is not known, answers whose tokens were guessed; the estimate is in no sum of cost.",
  target
)

export const shed = counter(
  "breakwater.shed",
  "{request}",
  "Requests that this gateway turned away because it was full itself.",
  ["priority"]
)
export const inFlight = summed(
  "breakwater.in_flight",
  "{request}",
  "Requests in flight, streams to their last byte."
)
export const inFlightLimit = summed(
  "breakwater.in_flight.limit",
  "{request}",
  "Requests that may be in flight at this moment."
)
export const loopLag = gauge(
  "breakwater.event_loop.lag",
  "s",
  "Lateness of the event loop in the last second, 99th percentile."
)

export const telemetrySpans = counter(
  "breakwater.telemetry.spans",
  "{span}",
  "Spans that left for the collector, and spans that were dropped.",
  ["outcome"]
)
export const telemetryQueue = summed("breakwater.telemetry.queue", "{span}", "Spans that wait for the collector.")

export const ledgerEntries = counter(
  "breakwater.ledger.entries",
  "{request}",
  "Requests that were written into the ledger's database, and requests that were dropped because it did not take them.",
  ["outcome"]
)
export const ledgerQueue = summed(
  "breakwater.ledger.queue",
  "{request}",
  "Requests that wait to be written into the ledger's database."
)

export const redisAway = gauge("breakwater.redis.away", "", "1 while the Redis of limits and budgets is away, else 0.")
export const redisFailures = counter(
  "breakwater.redis.failures",
  "{command}",
  "Commands that Redis did not answer well."
)

/** All of them, for the page in docs and for what reads them. */
export const catalogue: ReadonlyArray<Definition> = [
  operationDuration,
  timeToFirstChunk,
  timePerOutputChunk,
  tokenUsage,
  ...Object.values(latest),
  httpServerDuration,
  httpClientDuration,
  requests,
  requestAttempts,
  requestDuration,
  overhead,
  breakerState,
  breakerTransitions,
  breakerRejections,
  skips,
  retries,
  failovers,
  resumptions,
  cooldowns,
  cooldownRemaining,
  retryBudget,
  targetInFlight,
  queueLength,
  cost,
  unpriced,
  estimated,
  shed,
  inFlight,
  inFlightLimit,
  loopLag,
  telemetrySpans,
  telemetryQueue,
  ledgerEntries,
  ledgerQueue,
  redisAway,
  redisFailures
]
