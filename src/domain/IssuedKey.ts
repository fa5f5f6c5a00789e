/** A client key that was issued at runtime, as it is stored and told between processes: everything but its text. */
import * as Schema from "effect/Schema"
import { budgetFrom, BudgetInput, LimitsInput, type Principal } from "./Principal.ts"

/** Milliseconds since 1970. */
const Moment = Schema.Number

/** What a key may do; shared by the record and by the request that issues it. */
export const grants = {
  models: Schema.optionalKey(Schema.Array(Schema.String.check(Schema.isNonEmpty()))),
  limits: Schema.optionalKey(LimitsInput),
  budget: Schema.optionalKey(BudgetInput),
  tags: Schema.optionalKey(Schema.Array(Schema.String.check(Schema.isNonEmpty())))
}

export const IssuedKey = Schema.Struct({
  /** Public: it stands in the key's text. */
  id: Schema.String,
  name: Schema.String,
  /** The later one counts where two processes disagree. */
  version: Schema.Number,
  /** Of its texts; the last is the present one, those before it end at their moment. */
  digests: Schema.Array(Schema.Struct({ digest: Schema.String, untilMs: Schema.optionalKey(Moment) })),
  ...grants,
  expiresAtMs: Schema.optionalKey(Moment),
  createdAtMs: Moment,
  revokedAtMs: Schema.optionalKey(Moment)
})
export type IssuedKey = typeof IssuedKey.Type

/** The caller that shows it. */
export const principalOf = ({ budget, expiresAtMs, limits, models, name, tags }: IssuedKey): Principal => ({
  name,
  models,
  limits,
  tags,
  budget: budget === undefined ? undefined : budgetFrom(budget),
  expiresAtMs
})
