/** Client keys of a running server: listed, issued, rotated and revoked by its operator, each change with a line in the log. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { Admission } from "../admission/Admission.ts"
import { IssuedKeys } from "../admission/IssuedKeys.ts"
import { Api } from "../api/Api.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { IssueRequest, RevokeRequest, RotateRequest } from "../api/Keys.ts"
import { type GatewayError, gatewayError, RouteNotFound } from "../domain/GatewayError.ts"
import { changed } from "./Audit.ts"
import { CurrentExchange } from "./Exchange.ts"
import { read } from "./JsonOrder.ts"
import * as KeyView from "./KeyView.ts"

const answer = (body: unknown) => HttpServerResponse.jsonUnsafe(body, { headers: { "cache-control": "no-store" } })

/** A refusal is an answer. */
const refusing =
  <A>(handler: (input: A) => Effect.Effect<HttpServerResponse.HttpServerResponse, GatewayError>) => (input: A) =>
    Effect.catch(
      handler(input),
      ({ reason }) =>
        Effect.map(CurrentExchange, ({ requestId }) => errorResponse(reason, { "x-request-id": requestId }))
    )

const none = gatewayError(new RouteNotFound({ message: "This server issues no keys.", code: "no_issued_keys" }))

/** Client keys, behind the admin key. */
export const layer = HttpApiBuilder.group(Api, "keys", (handlers) =>
  Effect.gen(function*() {
    const found = Option.getOrUndefined(yield* Effect.serviceOption(IssuedKeys))
    const admission = Option.getOrUndefined(yield* Effect.serviceOption(Admission))
    const warningsOf = yield* KeyView.warnings
    const audited = yield* changed
    type Act = (
      keys: IssuedKeys["Service"],
      request: HttpServerRequest
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, GatewayError>
    const handle = (act: Act) => ({ request }: { readonly request: HttpServerRequest }) =>
      found === undefined ? Effect.fail(none) : act(found, request)
    return handlers
      .handleRaw("list", refusing(handle((keys) => Effect.map(KeyView.all(keys, admission), answer))))
      .handleRaw(
        "issue",
        refusing(handle(Effect.fnUntraced(function*(keys, request) {
          const { expires, ...wish } = yield* read(request, IssueRequest)
          const warnings = yield* warningsOf(keys.kind, wish.models, expires)
          const { record, text } = yield* audited(
            "issued",
            keys.issue({ ...wish, ...(expires === undefined ? {} : { expiresAtMs: expires }) })
          )
          const shown = yield* KeyView.changed(record, text)
          return answer(warnings.length === 0 ? shown : { ...shown, warnings })
        })))
      )
      .handleRaw(
        "revoke",
        refusing(handle(Effect.fnUntraced(function*(keys, request) {
          const { name } = yield* read(request, RevokeRequest)
          const { record } = yield* audited("revoked", Effect.map(keys.revoke(name), (record) => ({ record })))
          return answer(yield* KeyView.changed(record))
        })))
      )
      .handleRaw(
        "rotate",
        refusing(handle(Effect.fnUntraced(function*(keys, request) {
          const { grace = 0, name } = yield* read(request, RotateRequest)
          const { record, text } = yield* audited("rotated", keys.rotate(name, grace))
          return answer(yield* KeyView.changed(record, text))
        })))
      )
  }))
