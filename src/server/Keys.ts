/** Client keys of a running server: listed, issued, rotated and revoked by its operator, each change with a line in the log. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Admission } from "../admission/Admission.ts"
import type { Balance } from "../admission/Budget.ts"
import { IssuedKeys, type ListedKey } from "../admission/IssuedKeys.ts"
import { Api } from "../api/Api.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { IssueRequest, RevokeRequest, RotateRequest } from "../api/Keys.ts"
import { type GatewayError, gatewayError, InvalidRequest, RouteNotFound } from "../domain/GatewayError.ts"
import { type IssuedKey, principalOf } from "../domain/IssuedKey.ts"
import { toUsd } from "../domain/Money.ts"
import { isScanProblem, scan } from "../validation/JsonText.ts"
import { told } from "./Audit.ts"
import { CurrentExchange } from "./Exchange.ts"
import { parseJson, readText, schemaReason } from "./RequestBody.ts"

/** Bytes of a body. */
const bodyLimit = 64 * 1024

const strictly = { onExcessProperty: "error" } as const

const read = <A>(request: HttpServerRequest, schema: Schema.Decoder<A>): Effect.Effect<A, GatewayError> => {
  const decode = Schema.decodeUnknownExit(schema, strictly)
  return Effect.flatMap(readText(request, bodyLimit), (text) => {
    const parsed = parseJson(text)
    if ("_tag" in parsed) return Effect.fail(gatewayError(parsed))
    const decoded = decode(parsed.value)
    if (Exit.isFailure(decoded)) return Effect.fail(gatewayError(schemaReason(decoded.cause, parsed.value, true)))
    const source = scan(text)
    if (isScanProblem(source)) return Effect.fail(gatewayError(new InvalidRequest(source)))
    return Effect.succeed(decoded.value)
  })
}

const iso = (atMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(atMs))

const withMoment = (name: string, atMs: number | undefined): Readonly<Record<string, string>> =>
  atMs === undefined ? {} : { [name]: iso(atMs) }

const stateOf = ({ issued, principal }: ListedKey, nowMs: number): "active" | "expired" | "revoked" =>
  issued?.revokedAtMs !== undefined
    ? "revoked"
    : nowMs >= (principal.expiresAtMs ?? Number.POSITIVE_INFINITY)
    ? "expired"
    : "active"

const shown = (key: ListedKey, balance: Balance | undefined, nowMs: number) => {
  const { issued, lastUsedAtMs, principal: { budget, expiresAtMs, limits, models, name, tags } } = key
  return {
    name,
    ...(issued === undefined ? {} : { id: issued.id }),
    source: issued === undefined ? "file" : "issued",
    state: stateOf(key, nowMs),
    ...(models === undefined ? {} : { models }),
    ...(limits === undefined ? {} : { limits }),
    ...(budget === undefined ? {} : {
      budget: {
        usd: toUsd(budget.limit),
        per: budget.per,
        soft: budget.soft,
        ...(balance === undefined
          ? {}
          : { spent_usd: toUsd(balance.spent), reserved_usd: toUsd(balance.reserved) })
      }
    }),
    ...(tags === undefined || tags.length === 0 ? {} : { tags }),
    ...withMoment("created", issued?.createdAtMs),
    ...withMoment("expires", expiresAtMs),
    ...withMoment("revoked", issued?.revokedAtMs),
    ...withMoment("last_used", lastUsedAtMs)
  }
}

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

/** The key as it stands after a change; its balance is the list's to tell. */
const changed = (record: IssuedKey, text?: string) =>
  Effect.map(Clock.currentTimeMillis, (nowMs) =>
    answer({
      ...shown({ principal: principalOf(record), issued: record, lastUsedAtMs: undefined }, undefined, nowMs),
      ...(text === undefined ? {} : { key: text })
    }))

const listOf = Effect.fnUntraced(function*(keys: IssuedKeys["Service"], admission: Admission["Service"] | undefined) {
  const all = yield* keys.list
  const balances = yield* admission?.balances(all.map(({ principal }) => principal)) ?? Effect.succeed([])
  const nowMs = yield* Clock.currentTimeMillis
  return answer({ store: keys.kind, keys: all.map((key, at) => shown(key, balances[at], nowMs)) })
})

/** Client keys, behind the admin key. */
export const layer = HttpApiBuilder.group(Api, "keys", (handlers) =>
  Effect.gen(function*() {
    const found = Option.getOrUndefined(yield* Effect.serviceOption(IssuedKeys))
    const admission = Option.getOrUndefined(yield* Effect.serviceOption(Admission))
    const tell = yield* told
    type Act = (
      keys: IssuedKeys["Service"],
      request: HttpServerRequest
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, GatewayError>
    const handle = (act: Act) => ({ request }: { readonly request: HttpServerRequest }) =>
      found === undefined ? Effect.fail(none) : act(found, request)
    return handlers
      .handleRaw("list", refusing(handle((keys) => listOf(keys, admission))))
      .handleRaw(
        "issue",
        refusing(handle(Effect.fnUntraced(function*(keys, request) {
          const { expires, ...wish } = yield* read(request, IssueRequest)
          const { record, text } = yield* keys.issue({
            ...wish,
            ...(expires === undefined ? {} : { expiresAtMs: expires })
          })
          yield* tell("issued", record)
          return yield* changed(record, text)
        })))
      )
      .handleRaw(
        "revoke",
        refusing(handle(Effect.fnUntraced(function*(keys, request) {
          const record = yield* keys.revoke((yield* read(request, RevokeRequest)).name)
          yield* tell("revoked", record)
          return yield* changed(record)
        })))
      )
      .handleRaw(
        "rotate",
        refusing(handle(Effect.fnUntraced(function*(keys, request) {
          const { grace = 0, name } = yield* read(request, RotateRequest)
          const { record, text } = yield* keys.rotate(name, grace)
          yield* tell("rotated", record)
          return yield* changed(record, text)
        })))
      )
  }))
