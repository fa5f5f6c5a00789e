/** Manual control of the breakers. The body is optional and may come with any content type. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { ControlRequest } from "../api/Admin.ts"
import { Api } from "../api/Api.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { type GatewayError, gatewayError, InvalidRequest, type Reason } from "../domain/GatewayError.ts"
import type { Control } from "../gateway/Health.ts"
import { isScanProblem, scan } from "../validation/JsonText.ts"
import * as Audit from "./Audit.ts"
import { CurrentExchange } from "./Exchange.ts"
import { parseJson, readText, schemaReason } from "./RequestBody.ts"

/** Bytes of a control body. */
const bodyLimit = 64 * 1024

/** Strictly: `{"targt": …}` without a target would otherwise mean all of them. */
const decode = Schema.decodeUnknownExit(ControlRequest, { onExcessProperty: "error" })

const refused = (reason: Reason): Effect.Effect<never, GatewayError> => Effect.fail(gatewayError(reason))

/** A target in the query would go unheard, and no target means all of them. */
const inQuery = new InvalidRequest({
  message: "Breaker control takes no query. Send target, reason and ttl as JSON in the body.",
  code: "unknown_parameter"
})

const readControl = (
  request: HttpServerRequest,
  action: Control["action"]
): Effect.Effect<Control, GatewayError> =>
  Effect.flatMap(readText(request, bodyLimit), (text) => {
    if (request.url.includes("?")) return refused(inQuery)
    if (text.trim() === "") return Effect.succeed<Control>({ action })
    const parsed = parseJson(text)
    if ("_tag" in parsed) return refused(parsed)
    const decoded = decode(parsed.value)
    if (Exit.isFailure(decoded)) return refused(schemaReason(decoded.cause, parsed.value, true))
    const source = scan(text)
    if (isScanProblem(source)) return refused(new InvalidRequest(source))
    const { reason, target, ttl } = decoded.value
    return Effect.succeed<Control>({
      action,
      target: target ?? undefined,
      reason: reason ?? undefined,
      ttlMs: ttl ?? undefined
    })
  })

/** Breaker control, behind the admin key. */
export const layer = HttpApiBuilder.group(Api, "admin", (handlers) =>
  Effect.gen(function*() {
    const control = yield* Audit.control
    const act = (action: Control["action"]) => ({ request }: { readonly request: HttpServerRequest }) =>
      readControl(request, action).pipe(
        Effect.flatMap(control),
        Effect.map((targets) => HttpServerResponse.jsonUnsafe({ targets })),
        Effect.catch((error) =>
          Effect.map(CurrentExchange, (exchange) => errorResponse(error.reason, { "x-request-id": exchange.requestId }))
        )
      )
    return handlers
      .handleRaw("reset", act("reset"))
      .handleRaw("open", act("open"))
      .handleRaw("close", act("close"))
      .handleRaw("metrics-only", act("metrics-only"))
  }))
