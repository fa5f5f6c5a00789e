/** `GET /api/v1/usage`: what the ledger adds up to. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Ledger } from "../accounting/Ledger.ts"
import { Api } from "../api/Api.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { InvalidRequest, Overloaded, type Reason, RouteNotFound } from "../domain/GatewayError.ts"
import { type Sum, type SumKind, sumKinds } from "../domain/LedgerEntry.ts"
import { toUsd } from "../domain/Money.ts"
import { DurationText } from "../domain/Quantity.ts"
import { CurrentExchange } from "./Exchange.ts"

const span = Schema.decodeUnknownOption(DurationText)

const momentPattern = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/

/** Milliseconds since 1970 of `24h`, `2026-11-01` or `2026-11-01T12:00:00Z`; undefined for anything else. */
const momentOf = (text: string, nowMs: number): number | undefined => {
  const back = Option.getOrUndefined(span(text))
  // Before the first entry is before 1970, too, and dates have an end.
  if (back !== undefined) return Math.max(0, nowMs - back)
  const moment = momentPattern.test(text) ? Option.getOrUndefined(DateTime.make(text)) : undefined
  return moment === undefined ? undefined : DateTime.toEpochMillis(moment)
}

interface Asked {
  readonly by: SumKind
  readonly sinceMs: number | undefined
}

const invalid = (param: string, message: string) => new InvalidRequest({ message, param, code: "invalid_parameter" })

const read = (url: string, nowMs: number): Asked | InvalidRequest => {
  const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "")
  const unknown = [...query.keys()].find((name) => name !== "by" && name !== "since")
  if (unknown !== undefined) return invalid(unknown.slice(0, 64), "The query takes by and since.")
  const wish = query.get("by") ?? "model"
  const by = sumKinds.find((kind) => kind === wish)
  if (by === undefined) return invalid("by", `by is one of ${sumKinds.join(", ")}.`)
  const since = query.get("since")
  if (since === null) return { by, sinceMs: undefined }
  const sinceMs = momentOf(since, nowMs)
  return sinceMs === undefined
    ? invalid(
      "since",
      "since is a span such as 24h or 7d, a day such as 2026-11-01, or a moment such as 2026-11-01T12:00:00Z."
    )
    : { by, sinceMs }
}

/** A sum in which nothing is known is no 0. */
const costOf = ({ cost, unpriced }: Sum) => toUsd(cost) === "0" && unpriced > 0 ? {} : { cost_usd: toUsd(cost) }

const shown = (sum: Sum) => ({
  name: sum.name,
  requests: sum.requests,
  attempts: sum.attempts,
  tokens: {
    input: sum.input,
    cache_read: sum.cacheRead,
    cache_write_5m: sum.cacheWrite5m,
    cache_write_1h: sum.cacheWrite1h,
    input_audio: sum.inputAudio,
    input_image: sum.inputImage,
    output: sum.output,
    reasoning: sum.reasoning,
    output_audio: sum.outputAudio
  },
  ...costOf(sum),
  estimated_usd: toUsd(sum.estimated),
  estimated_tokens: { input: sum.estimatedInput, output: sum.estimatedOutput },
  unpriced: sum.unpriced
})

const latestFirst = (left: Sum, right: Sum): number => left.name < right.name ? 1 : -1

const refuse = (reason: Reason) =>
  Effect.map(CurrentExchange, (exchange) => errorResponse(reason, { "x-request-id": exchange.requestId }))

const noLedger = new RouteNotFound({ message: "This server keeps no ledger.", code: "no_ledger" })

/** Usage, behind the admin key. */
export const layer = HttpApiBuilder.group(Api, "usage", (handlers) =>
  Effect.gen(function*() {
    const ledger = Option.getOrUndefined(yield* Effect.serviceOption(Ledger))
    return handlers.handleRaw("usage", ({ request }) =>
      Effect.gen(function*() {
        if (ledger === undefined) return yield* refuse(noLedger)
        const asked = read(request.url, yield* Clock.currentTimeMillis)
        if ("_tag" in asked) return yield* refuse(asked)
        const { by, sinceMs } = asked
        const sums = yield* ledger.sums({ by, sinceMs: sinceMs ?? 0 })
        return HttpServerResponse.jsonUnsafe({
          store: ledger.kind,
          by,
          ...(sinceMs === undefined ? {} : { since: DateTime.formatIso(DateTime.makeUnsafe(sinceMs)) }),
          sums: (by === "day" ? sums.toSorted(latestFirst) : sums).map(shown)
        }, { headers: { "cache-control": "no-store" } })
      }).pipe(
        Effect.catchTag(
          "StorageFailed",
          ({ message }) =>
            refuse(new Overloaded({ message: `The ledger does not answer: ${message}`, code: "ledger_unavailable" }))
        )
      ))
  }))
