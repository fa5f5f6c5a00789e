/** Whose request it is and what that caller may do: models, rates, requests at once, money, and until when. */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { parseUsd, type PicoUsd } from "./Money.ts"

/** How much at a time; absent = no limit. */
export interface Limits {
  /** Requests a minute. */
  readonly rpm?: number | undefined
  /** Tokens a minute, input and output. */
  readonly tpm?: number | undefined
  /** Requests at once, streams to their last byte. */
  readonly concurrent?: number | undefined
}

/** Calendar day or month, in UTC. */
export type Period = "day" | "month"

/** How much money in a period. */
export interface Budget {
  readonly limit: PicoUsd
  readonly per: Period
  /** The part of it, above 0 to 1, at which a warning is logged. Default 0.8. */
  readonly soft: number
}

/** The caller of a request, by the key that was shown. */
export interface Principal {
  /** Unique among all keys; what logs and the ledger call it. */
  readonly name: string
  /** What its use is summed up by besides. Default none. */
  readonly tags?: ReadonlyArray<string> | undefined
  /** What it may put in `model`; a `*` at the end stands for any rest. Absent = everything. */
  readonly models?: ReadonlyArray<string> | undefined
  readonly limits?: Limits | undefined
  readonly budget?: Budget | undefined
  /** Its end, in milliseconds since 1970; absent = none. */
  readonly expiresAtMs?: number | undefined
}

/** Whether a caller may put this in `model`. */
export const mayCall = ({ models }: Principal, model: string): boolean =>
  models === undefined ||
  models.some((allowed) => allowed.endsWith("*") ? model.startsWith(allowed.slice(0, -1)) : allowed === model)

const Positive = Schema.Int.check(Schema.isGreaterThan(0))

/** As it is written in a file or sent to a route. */
export const LimitsInput = Schema.Struct({
  rpm: Schema.optionalKey(Positive),
  tpm: Schema.optionalKey(Positive),
  concurrent: Schema.optionalKey(Positive)
})

const Usd = Schema.Union([Schema.String, Schema.Finite]).check(
  Schema.makeFilter((usd: string | number) => parseUsd(String(usd)) !== undefined, {
    expected: "an amount in USD such as \"50\" or 0.25"
  })
)

/** As it is written in a file or sent to a route. */
export const BudgetInput = Schema.Struct({
  usd: Usd,
  per: Schema.Literals(["day", "month"]),
  soft: Schema.optionalKey(
    Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1))
  )
})

const momentPattern = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/

const momentOf = (text: string): number | undefined => {
  const moment = momentPattern.test(text) ? DateTime.make(text) : undefined
  return moment?._tag === "Some" ? DateTime.toEpochMillis(moment.value) : undefined
}

/** A day (its beginning, UTC) or a moment in ISO 8601, decoded to milliseconds since 1970. */
export const MomentText = Schema.String.check(
  Schema.makeFilter((text: string) => momentOf(text) !== undefined, {
    expected: "a day such as 2026-12-31 or a moment such as 2026-12-31T18:00:00Z"
  })
).pipe(
  Schema.decodeTo(
    Schema.Number,
    SchemaTransformation.transform({
      decode: (text: string) => momentOf(text) ?? 0,
      encode: (atMs: number) => DateTime.formatIso(DateTime.makeUnsafe(atMs))
    })
  )
)

const defaultSoft = 0.8

/** What is written, with its default. */
export const budgetFrom = ({ per, soft = defaultSoft, usd }: typeof BudgetInput.Type): Budget => ({
  limit: parseUsd(String(usd)) ?? 0,
  per,
  soft
})
