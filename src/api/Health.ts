/** Health for people, probes and the dashboard. */
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
const HealthBody = Schema.Struct({
  status: Status,
  components: Schema.Array(Schema.Struct({
    component: Schema.String,
    status: Status,
    output: Schema.optionalKey(Schema.String)
  }))
}).annotate({ identifier: "Health" })

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
    reason: Schema.optionalKey(Schema.String.annotate({ description: "Why an operator forced it." }))
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
  lastError: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "TargetState" })

/** What `GET /api/v1/health/monitoring` answers. */
export const Monitoring = Schema.Struct({
  ...HealthBody.fields,
  phase: Schema.Literals(["starting", "ready", "draining"]),
  uptimeMs: Schema.Number,
  totals: Schema.Struct({
    requests: Count,
    failed: Count,
    cancelled: Count,
    attempts: Count,
    retriesAndFailovers: Count,
    retries: Count,
    failovers: Count,
    skipped: Count,
    resumed: Count
  }).annotate({ description: "Since the start of the process." }),
  targets: Schema.Array(TargetState),
  recent: Schema.Array(DecisionRecord).annotate({
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

/** What only an operator sees. */
export class MonitoringApi extends HttpApiGroup.make("monitoring").add(monitoring).middleware(AdminAuthorization) {}
