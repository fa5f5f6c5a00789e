/** Client keys for operators: who has one, what it may do, and what is left of it. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { grants } from "../domain/IssuedKey.ts"
import { LimitsInput, MomentText } from "../domain/Principal.ts"
import { DurationText } from "../domain/Quantity.ts"
import { AdminAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

const Moment = Schema.String.annotate({ description: "ISO 8601, UTC." })
const Usd = Schema.String.annotate({ description: "An exact decimal." })

/** One key, without its text. */
export const KeyBody = Schema.Struct({
  name: Schema.String,
  id: Schema.optionalKey(Schema.String.annotate({ description: "Absent for a key of the configuration." })),
  source: Schema.Literals(["file", "issued"]),
  state: Schema.Literals(["active", "expired", "revoked"]),
  models: Schema.optionalKey(Schema.Array(Schema.String)),
  limits: Schema.optionalKey(LimitsInput),
  budget: Schema.optionalKey(Schema.Struct({
    usd: Usd,
    per: Schema.Literals(["day", "month"]),
    soft: Schema.Number,
    spent_usd: Schema.optionalKey(Usd.annotate({ description: "In the present period; absent = nothing yet." })),
    reserved_usd: Schema.optionalKey(Usd.annotate({ description: "By requests that are under way." }))
  })),
  tags: Schema.optionalKey(Schema.Array(Schema.String)),
  created: Schema.optionalKey(Moment),
  expires: Schema.optionalKey(Moment),
  revoked: Schema.optionalKey(Moment),
  last_used: Schema.optionalKey(Moment)
}).annotate({ identifier: "ClientKey" })

/** What `GET /api/v1/keys` answers. */
export const KeysBody = Schema.Struct({
  store: Schema.Literals(["memory", "sqlite"]).annotate({
    description: "`memory`: issued keys are gone when the server stops."
  }),
  keys: Schema.Array(KeyBody)
}).annotate({ identifier: "ClientKeys" })

/** A key with its text. */
export const ShownKeyBody = Schema.Struct({
  ...KeyBody.fields,
  key: Schema.String.annotate({ description: "The key itself, told this once." }),
  warnings: Schema.optionalKey(
    Schema.Array(Schema.String).annotate({ description: "What its operator may not expect; absent = nothing." })
  )
}).annotate({ identifier: "ShownClientKey" })

const Name = Schema.String.check(
  Schema.isPattern(/^[\w.@:-]{1,64}$/, { expected: "a name of 1 to 64 letters, digits or . _ @ : -" })
)

export const IssueRequest = Schema.Struct({
  name: Name,
  ...grants,
  expires: Schema.optionalKey(MomentText)
}).annotate({ identifier: "IssueClientKey" })

const NameOrId = Schema.String.check(Schema.isNonEmpty()).annotate({ description: "Its name or its id." })

export const RevokeRequest = Schema.Struct({ name: NameOrId }).annotate({ identifier: "RevokeClientKey" })

export const RotateRequest = Schema.Struct({
  name: NameOrId,
  grace: Schema.optionalKey(
    DurationText.annotate({ description: "How long the present text stays good, such as 24h; absent = it ends now." })
  )
}).annotate({ identifier: "RotateClientKey" })

const list = HttpApiEndpoint.get("list", "/api/v1/keys", { success: KeysBody, error: errorsAt(404, 500, 503) })
  .annotateMerge(OpenApi.annotations({ summary: "Every client key, without its text" }))
const issue = HttpApiEndpoint.post("issue", "/api/v1/keys/issue", {
  payload: IssueRequest,
  success: ShownKeyBody,
  error: errorsAt(400, 404, 500, 503)
}).annotateMerge(OpenApi.annotations({ summary: "Issue a key, and show it once" }))
const revoke = HttpApiEndpoint.post("revoke", "/api/v1/keys/revoke", {
  payload: RevokeRequest,
  success: KeyBody,
  error: errorsAt(400, 404, 500, 503)
}).annotateMerge(OpenApi.annotations({ summary: "End a key at once and for good" }))
const rotate = HttpApiEndpoint.post("rotate", "/api/v1/keys/rotate", {
  payload: RotateRequest,
  success: ShownKeyBody,
  error: errorsAt(400, 404, 500, 503)
}).annotateMerge(OpenApi.annotations({ summary: "Give a key a new text, and show it once" }))

/** Client keys, behind the admin key. */
export class KeysApi
  extends HttpApiGroup.make("keys").add(list, issue, revoke, rotate).middleware(AdminAuthorization)
{}
