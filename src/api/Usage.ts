/** What the ledger adds up to, for operators. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { sumKinds } from "../domain/LedgerEntry.ts"
import { AdminAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

const Count = Schema.Number

const UsageSum = Schema.Struct({
  name: Schema.String.annotate({ description: "Empty = none, as of an open door or a key without tags." }),
  requests: Count,
  attempts: Count.annotate({ description: "Those that failed included." }),
  tokens: Schema.Struct({
    input: Count,
    cache_read: Count,
    cache_write_5m: Count,
    cache_write_1h: Count,
    input_audio: Count,
    input_image: Count,
    output: Count,
    reasoning: Count,
    output_audio: Count
  }).annotate({ description: "Kinds that do not overlap, as far as providers told them apart." }),
  cost_usd: Schema.optionalKey(Schema.String.annotate({
    description: "An exact decimal; absent where no cost is known. Estimates are not in it."
  })),
  estimated_usd: Schema.String.annotate({
    description: "What those of the unpriced attempts may have cost whose tokens were guessed."
  }),
  estimated_tokens: Schema.Struct({ input: Count, output: Count }).annotate({
    description: "Of attempts whose upstream did not count all of its answer; guessed, and in no other sum."
  }),
  unpriced: Count.annotate({ description: "Attempts of which the cost is not known; it is not in the sum as 0." })
}).annotate({ identifier: "UsageSum" })

/** What `GET /api/v1/usage` answers. */
export const UsageBody = Schema.Struct({
  store: Schema.Literals(["memory", "sqlite", "postgres"]).annotate({
    description: "`memory`: only the last requests of each process, since its start."
  }),
  by: Schema.Literals(sumKinds),
  since: Schema.optionalKey(Schema.String.annotate({ description: "ISO 8601, UTC; absent = all." })),
  sums: Schema.Array(UsageSum).annotate({ description: "The largest cost first; by day, the latest." })
}).annotate({ identifier: "Usage" })

const usage = HttpApiEndpoint.get("usage", "/api/v1/usage", {
  success: UsageBody,
  error: errorsAt(400, 404, 503)
}).annotateMerge(OpenApi.annotations({
  summary: "Use and cost, summed up",
  description:
    "Query: `by` = model (default), provider, key, tag or day; `since` = a span back from now such as 24h or 7d, a day "
    + "such as 2026-11-01, or a moment in ISO 8601."
}))

/** Usage and cost, behind the admin key. */
export class UsageApi extends HttpApiGroup.make("usage").add(usage).middleware(AdminAuthorization) {}
