/** Health for people, probes and the dashboard. */
import * as Sse from "effect/encoding/Sse"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { DecisionRecord } from "../domain/DecisionRecord.ts"
import { AdminAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

const Status = Schema.Literals(["pass", "warn", "fail"])

/** Without the admin key a component shows its name and status only. */
const Components = Schema.Array(Schema.Struct({
  component: Schema.String,
  status: Status,
  output: Schema.optionalKey(Schema.String),
  observedValue: Schema.optionalKey(Schema.Number),
  observedUnit: Schema.optionalKey(Schema.String),
  counts: Schema.optionalKey(Schema.Record(Schema.String, Schema.Number)).annotate({
    description: "What its output counts, of all workers together."
  })
}))

const HealthBody = Schema.Struct({
  status: Status,
  serviceId: Schema.String,
  components: Components,
  checks: Schema.Record(
    Schema.String,
    Schema.Array(Schema.Struct({
      componentId: Schema.String,
      status: Status,
      componentType: Schema.optionalKey(Schema.String),
      observedValue: Schema.optionalKey(Schema.Union([Schema.String, Schema.Number])),
      observedUnit: Schema.optionalKey(Schema.String),
      output: Schema.optionalKey(Schema.String),
      time: Schema.optionalKey(Schema.String),
      worker: Schema.optionalKey(Schema.Number)
    }))
  ).annotate({
    description: "By `component:measurement`, as in application/health+json; without the admin key by component."
  })
}).annotate({ identifier: "Health", description: "Sent as application/health+json." })

const Probe = Schema.Struct({ status: Status, phase: Schema.String }).annotate({ identifier: "Probe" })
const unready = Probe.pipe(HttpApiSchema.status(503))

const overall = HttpApiEndpoint.get("overall", "/api/v1/health", {
  success: [HealthBody, HealthBody.pipe(HttpApiSchema.status(503))],
  error: errorsAt(500)
}).annotateMerge(OpenApi.annotations({ summary: "Overall health and that of each component; 503 when it is fail" }))
const live = HttpApiEndpoint.get("live", "/api/v1/health/live", { success: Probe })
  .annotateMerge(OpenApi.annotations({ summary: "Liveness: the process answers; touches nothing else" }))
const ready = HttpApiEndpoint.get("ready", "/api/v1/health/ready", { success: [Probe, unready] })
  .annotateMerge(OpenApi.annotations({ summary: "Readiness: started and not draining" }))
const startup = HttpApiEndpoint.get("startup", "/api/v1/health/startup", { success: [Probe, unready] })
  .annotateMerge(OpenApi.annotations({ summary: "Startup: 503 until the first readiness" }))

/** Public health and probes. */
export class HealthApi extends HttpApiGroup.make("health").add(overall, live, ready, startup) {}

const Count = Schema.Number
const Milliseconds = Schema.Number

const Percentiles = Schema.Struct({
  count: Count,
  p50: Schema.optionalKey(Milliseconds),
  p95: Schema.optionalKey(Milliseconds),
  p99: Schema.optionalKey(Milliseconds)
}).annotate({
  identifier: "Percentiles",
  description: "Milliseconds, right to a fifth; absent where nothing was counted."
})

/** One target as it is now. With workers: the worst breaker, and counts added up. */
const TargetState = Schema.Struct({
  target: Schema.String.annotate({
    description: "`provider/model` of the file, or `provider/*` for models that callers name."
  }),
  breaker: Schema.Struct({
    state: Schema.Literals(["closed", "half-open", "open", "forced-open", "forced-closed", "metrics-only"]),
    failureRate: Schema.Number.annotate({ description: "Over the window, 0 to 1." }),
    slowRate: Schema.Number,
    callsInWindow: Count,
    openings: Count.annotate({ description: "In a row; 0 after the circuit stayed closed." }),
    retryAfterMs: Schema.optionalKey(Schema.Number.annotate({ description: "Absent when a call may pass now." })),
    lastResortAfterMs: Schema.optionalKey(
      Schema.Number.annotate({
        description: "Until an early probe may pass where no target is left; absent when one may now."
      })
    ),
    reason: Schema.optionalKey(Schema.String.annotate({ description: "Why an operator forced it." })),
    forMs: Schema.optionalKey(
      Milliseconds.annotate({ description: "How long it has been in this state; absent = since the start." })
    ),
    cause: Schema.optionalKey(Schema.String.annotate({ description: "What brought it there." })),
    openedBy: Schema.optionalKey(
      Schema.String.annotate({
        description: "While it is open or half-open: why it was opened, and the tag of the last failure before that."
      })
    ),
    forcedForMs: Schema.optionalKey(
      Milliseconds.annotate({
        description: "Until what an operator forced ends by itself; absent when only a reset does."
      })
    )
  }),
  inFlight: Count,
  limit: Schema.optionalKey(
    Count.annotate({ description: "How many may be in flight; absent = unlimited." })
  ),
  waiting: Count,
  retryBudget: Count,
  cooldownMs: Schema.optionalKey(
    Schema.Number.annotate({ description: "How long it has yet to be left alone, because it said so." })
  ),
  credentials: Schema.optionalKey(
    Schema.Array(Schema.String).annotate({ description: "Its provider's, as in the file." })
  ),
  lastError: Schema.optionalKey(Schema.String),
  lastErrorAtMs: Schema.optionalKey(Milliseconds.annotate({ description: "Since 1970." })),
  attempts: Schema.optionalKey(Count.annotate({ description: "Since the start; absent before the first." })),
  failures: Schema.optionalKey(Count),
  answer: Schema.optionalKey(
    Percentiles.annotate({ description: "To a whole answer, of the last five to ten minutes." })
  ),
  firstContent: Schema.optionalKey(
    Percentiles.annotate({ description: "To the first content of a stream, of the last five to ten minutes." })
  )
}).annotate({ identifier: "TargetState" })

const counted = { requests: Count, inputTokens: Count, outputTokens: Count }

/** What was counted in the last ten minutes and since the start. */
const counts = {
  now: Schema.Struct({
    atMs: Milliseconds,
    requestsPerSecond: Schema.Number.annotate({ description: "Of the last ten seconds." }),
    tokensPerSecond: Schema.Number,
    errorRate: Schema.Number.annotate({
      description: "Of the last minute, 0 to 1; what a caller had to change is no error."
    }),
    inFlight: Count
  }),
  latency: Percentiles.annotate({ description: "Of answered requests of the last ten minutes, to the last byte." }),
  firstContent: Percentiles.annotate({ description: "Of streams of the last ten minutes." }),
  traffic: Schema.Struct({
    stepMs: Milliseconds,
    points: Schema.Array(Schema.Struct({
      atMs: Milliseconds,
      ...counted,
      failed: Count,
      refused: Count.annotate({ description: "For what the caller had sent." }),
      cancelled: Count,
      again: Count.annotate({ description: "Retries and failovers." }),
      usd: Schema.Number,
      latency: Percentiles,
      firstContent: Percentiles
    }))
  }).annotate({ description: "Requests that ended in the last ten minutes, oldest first." }),
  spending: Schema.Array(Schema.Struct({
    provider: Schema.String,
    model: Schema.String.annotate({ description: "Upstream model; `*` for those beyond the first hundred." }),
    ...counted,
    cachedTokens: Count,
    costUsd: Schema.String.annotate({ description: "An exact decimal; failed attempts are not in it." }),
    unpriced: Count.annotate({ description: "Answers whose cost is not known." })
  })).annotate({ description: "Since the start of the process, by who answered." }),
  failures: Schema.Array(Schema.Struct({
    target: Schema.String,
    reason: Schema.String,
    count: Count,
    retried: Count.annotate({ description: "How many were followed by another try on the same target." }),
    failedOver: Count.annotate({ description: "… on another one." }),
    ended: Count.annotate({ description: "… by nothing." })
  })).annotate({ description: "Attempts that failed since the start." }),
  skips: Schema.Array(Schema.Struct({ target: Schema.String, why: Schema.String, count: Count })).annotate({
    description: "Targets that were passed over since the start."
  })
}

/** What `GET /api/v1/health/monitoring` answers. */
export const Monitoring = Schema.Struct({
  status: Status,
  components: Components,
  phase: Schema.Literals(["starting", "ready", "draining"]),
  uptimeMs: Schema.Number,
  totals: Schema.Struct({
    requests: Count,
    failed: Count,
    refused: Count.annotate({
      description: "Those among the failed for which the caller would have to change something."
    }),
    cancelled: Count,
    attempts: Count,
    retriesAndFailovers: Count,
    retries: Count,
    failovers: Count,
    skipped: Count,
    resumed: Count,
    recovered: Count.annotate({ description: "Answered although a target had failed or was passed over." })
  }).annotate({ description: "Since the start of the process." }),
  ...counts,
  targets: Schema.Array(TargetState),
  routes: Schema.Array(Schema.Struct({ alias: Schema.String, route: Schema.String })).annotate({
    description:
      "Where the aliases of the file lead, in words: order, targets, what becomes of a broken stream, limits."
  }),
  recent: Schema.Array(
    Schema.Struct({
      ...DecisionRecord.fields,
      worker: Schema.optionalKey(Count.annotate({ description: "With workers, whose it is." }))
    })
  ).annotate({
    description: "The last 50 requests that named a model, newest first."
  }),
  workers: Schema.optionalKey(
    Schema.Array(Schema.Record(Schema.String, Schema.Unknown)).annotate({
      description: "With workers, each one's own."
    })
  )
}).annotate({ identifier: "Monitoring" })

const monitoring = HttpApiEndpoint.get("monitoring", "/api/v1/health/monitoring", {
  success: Monitoring,
  error: errorsAt(500)
}).annotateMerge(OpenApi.annotations({ summary: "Everything the dashboard shows" }))

const stream = HttpApiEndpoint.get("stream", "/api/v1/health/monitoring/stream", {
  success: HttpApiSchema.StreamSse({ events: Sse.EventEncoded }),
  error: errorsAt(500)
}).annotateMerge(OpenApi.annotations({
  summary: "The same as events, once a second",
  description:
    "Each `data:` is the value of `/api/v1/health/monitoring` without `workers`. Ends when a process that drains closes its door."
}))

const request = HttpApiEndpoint.get("request", "/api/v1/health/monitoring/requests/:id", {
  params: { id: Schema.String },
  success: DecisionRecord,
  error: errorsAt(404, 500)
}).annotateMerge(OpenApi.annotations({
  summary: "The decision record of one request",
  description: "Of the last 100 requests, and of the last 400 that failed, were tried again or passed a target over."
}))

/** What only an operator sees. */
export class MonitoringApi
  extends HttpApiGroup.make("monitoring").add(monitoring, stream, request).middleware(AdminAuthorization)
{}
