/** What differs between a whole answer, a stream and vectors on their way along a route. */
import type * as Scope from "effect/Scope"
import type { ChatRequest } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { Answer, AnswerStream, EmbeddingAnswer } from "../providers/Provider.ts"
import * as Admit from "./Admit.ts"
import type { FlowRequest } from "./FlowRequest.ts"
import * as Guarding from "./Guarding.ts"
import type { Route } from "./Route.ts"
import { forChat, forEmbeddings } from "./Suitability.ts"

export interface Manner<Asked, A, R> {
  /** The clock that an attempt has to beat. */
  readonly verdict: "answerMs" | "firstTokenMs"
  /** The route with the targets that can serve the request, or why there is none. */
  readonly suit: (route: Route, request: FlowRequest<Asked>) => Route | GatewayError
  readonly hold: Admit.Hold<A, R>
  readonly guarding: Guarding.Guarding<FlowRequest<Asked>, A>
}

export const whole: Manner<ChatRequest, Answer, never> = {
  verdict: "answerMs",
  suit: forChat,
  hold: Admit.during,
  guarding: Guarding.ofAnswer
}

export const streamed: Manner<ChatRequest, AnswerStream, Scope.Scope> = {
  verdict: "firstTokenMs",
  suit: forChat,
  hold: Admit.forStream,
  guarding: Guarding.ofStream
}

export const vectors: Manner<EmbeddingRequest, EmbeddingAnswer, never> = {
  verdict: "answerMs",
  suit: forEmbeddings,
  hold: Admit.during,
  guarding: Guarding.ofVectors
}
