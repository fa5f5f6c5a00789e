/** The two doors' locks as the contract shows them; how a key is judged is the server's affair. */
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import { errorsAt } from "./ErrorBody.ts"

/**
 * Client keys on `/v1/*`: `Authorization: Bearer KEY`. With no key configured the door is open.
 * @effect-expect-leaking HttpServerRequest | ParsedSearchParams | RouteContext
 */
export class ClientAuthorization extends HttpApiMiddleware.Service<ClientAuthorization>()(
  "breakwater/api/Authorization/ClientAuthorization",
  { security: { bearer: HttpApiSecurity.bearer }, error: errorsAt(401) }
) {}

/**
 * The admin key as Bearer or as the Basic password; without one only loopback is answered.
 * @effect-expect-leaking HttpServerRequest | ParsedSearchParams | RouteContext
 */
export class AdminAuthorization extends HttpApiMiddleware.Service<AdminAuthorization>()(
  "breakwater/api/Authorization/AdminAuthorization",
  { security: { bearer: HttpApiSecurity.bearer, basic: HttpApiSecurity.basic }, error: errorsAt(401, 403) }
) {}
