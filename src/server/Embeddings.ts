/** How a request for embeddings is answered: the same entrance and the same flow as a whole completion. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import { whole } from "./AnswerHead.ts"
import { checkEmbedding } from "./ChatBody.ts"
import { judge, refuse, timeoutOf } from "./Entrance.ts"
import type { Exchange } from "./Exchange.ts"
import { readText } from "./RequestBody.ts"
import type { Services } from "./Services.ts"

/** One request through the flow. */
export const embed = (
  services: Pick<Services, "completion" | "keys" | "settings">,
  request: HttpServerRequest.HttpServerRequest,
  exchange: Exchange
) => {
  const { completion, settings } = services
  const { headers } = request
  const refusal = judge(services, headers, exchange)
  if (refusal !== undefined) return Effect.succeed(refuse(exchange, refusal))
  const timeoutMs = timeoutOf(headers)
  const run = Effect.flatMap(readText(request, settings.limits.body, timeoutMs), (text) => {
    const checked = checkEmbedding(text, settings.limits, settings.imageHosts)
    if ("_tag" in checked) return Effect.fail(gatewayError(checked))
    const { decision, receivedAtMs } = exchange
    decision.alias = checked.request.model
    return Effect.map(
      completion.embed({ ...checked, decision, timeoutMs, receivedAtMs }),
      ({ text }) => whole(text, exchange)
    )
  })
  return Effect.catch(run, (error: GatewayError) => Effect.succeed(refuse(exchange, error.reason)))
}
