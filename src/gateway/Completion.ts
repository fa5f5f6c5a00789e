/** The sentence in code: request → decode → admit → route → attempt → account → encode. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChatRequest } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { Answer, AnswerStream } from "../providers/Provider.ts"
import type { JsonText } from "../validation/JsonText.ts"
import type { Decision } from "./Decision.ts"

/** A decoded completion request on its way through the flow. */
export interface CompletionRequest {
  readonly source: JsonText
  readonly request: ChatRequest
  /** Filled while the request runs, also when it fails. */
  readonly decision: Decision
  /** The caller's own bound on the whole request, in milliseconds (`x-request-timeout-ms`). */
  readonly timeoutMs?: number | undefined
}

export class Completion extends Context.Service<Completion, {
  /** A whole answer; every retry and failover is behind it. */
  readonly complete: (request: CompletionRequest) => Effect.Effect<Answer, GatewayError>
  /** A committed stream: this returns only when the first content event is in hand. Permits live as long as the scope. */
  readonly stream: (request: CompletionRequest) => Effect.Effect<AnswerStream, GatewayError, Scope.Scope>
}>()("breakwater/gateway/Completion") {}
