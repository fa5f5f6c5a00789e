/** Manual control of the circuit breakers. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { DurationText } from "../domain/Quantity.ts"
import { AdminAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

/** The body is optional and of any content type; no target means all of them, so an unknown member is refused. */
export const ControlRequest = Schema.Struct({
  target: Schema.optionalKey(
    Schema.NullOr(Schema.String.check(Schema.isNonEmpty({ expected: "a target such as provider/model" })))
      .annotate({ description: "`provider/model`; absent = all." })
  ),
  reason: Schema.optionalKey(Schema.NullOr(Schema.String).annotate({ description: "For the record." })),
  ttl: Schema.optionalKey(
    Schema.NullOr(DurationText).annotate({
      description: "How long it holds, such as 30s or 10m; absent = until undone.",
      expected: "something like 200ms, 5s or 10m"
    })
  )
}).annotate({ identifier: "BreakerControl" })

const ControlAnswer = Schema.Struct({
  targets: Schema.Array(Schema.Struct({ target: Schema.String, from: Schema.String, to: Schema.String }))
}).annotate({ identifier: "BreakerControlAnswer" })

const options = { payload: ControlRequest, success: ControlAnswer, error: errorsAt(400, 404, 500) }
const path = "/api/v1/health/circuit-breakers"
const reset = HttpApiEndpoint.post("reset", `${path}/reset`, options)
  .annotateMerge(OpenApi.annotations({ summary: "Close and forget: back to automatic with an empty window" }))
const open = HttpApiEndpoint.post("open", `${path}/open`, options)
  .annotateMerge(OpenApi.annotations({ summary: "Force open: send nothing to the target" }))
const close = HttpApiEndpoint.post("close", `${path}/close`, options)
  .annotateMerge(OpenApi.annotations({ summary: "Force closed: never refuse" }))
const metricsOnly = HttpApiEndpoint.post("metrics-only", `${path}/metrics-only`, options)
  .annotateMerge(OpenApi.annotations({ summary: "Count, but never refuse" }))

/** Breaker control, behind the admin key. */
export class AdminApi
  extends HttpApiGroup.make("admin").add(reset, open, close, metricsOnly).middleware(AdminAuthorization)
{}
