/** What goes into the flow: a decoded request, the caller's own text of it, its record and its bounds. */
import * as Clock from "effect/Clock"
import type * as Fiber from "effect/Fiber"
import type { ChatRequest } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import type { Call } from "../providers/Provider.ts"
import * as Deadline from "../resilience/Deadline.ts"
import type { Decision } from "./Decision.ts"
import type { Route } from "./Route.ts"

/** A decoded request on its way through the flow. */
export interface FlowRequest<Asked> extends Pick<Call<Asked>, "source" | "request"> {
  /** Filled while the request runs, also when it fails. */
  readonly decision: Decision
  /** The caller's own bound on the whole request, in milliseconds (`x-request-timeout-ms`); it can only shorten ours. */
  readonly timeoutMs?: number | undefined
  /** When its first line was there, in milliseconds on the monotonic clock; the deadline counts from it. Default now. */
  readonly receivedAtMs?: number | undefined
}

/** A chat completion that is asked for. */
export type CompletionRequest = FlowRequest<ChatRequest>

/** Vectors that are asked for. */
export type EmbeddingsRequest = FlowRequest<EmbeddingRequest>

/** The end of a request on this route. */
export const deadlineOf = (
  { receivedAtMs, timeoutMs = Number.POSITIVE_INFINITY }: FlowRequest<unknown>,
  route: Route,
  fiber: Fiber.Fiber<unknown, unknown>
): Deadline.Deadline =>
  Deadline.after(Math.min(route.timeouts.totalMs, timeoutMs), fiber.getRef(Clock.Clock), receivedAtMs)
