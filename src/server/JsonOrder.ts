/** An operator's order as JSON: read, decoded strictly, and refused in words that say what is wrong with it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Schema from "effect/Schema"
import { type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import { isScanProblem, scan } from "../validation/JsonText.ts"
import { parseJson, readText, schemaReason } from "./RequestBody.ts"

/** Bytes of a body. */
const bodyLimit = 64 * 1024

const strictly = { onExcessProperty: "error" } as const

/** The decoded body; a member that is not known is refused. */
export const read = <A>(request: HttpServerRequest, schema: Schema.Decoder<A>): Effect.Effect<A, GatewayError> => {
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
