/** What comes into the flow, and by when it has to be over. */
import * as Clock from "effect/Clock"
import type * as Fiber from "effect/Fiber"
import type { ProviderCall } from "../providers/Provider.ts"
import * as Deadline from "../resilience/Deadline.ts"
import type { Decision } from "./Decision.ts"
import type { Route } from "./Route.ts"

/** A decoded completion request on its way through the flow. */
export interface CompletionRequest extends Pick<ProviderCall, "source" | "request"> {
  /** Filled while the request runs, also when it fails. */
  readonly decision: Decision
  /** The caller's own bound on the whole request, in milliseconds (`x-request-timeout-ms`); it can only shorten ours. */
  readonly timeoutMs?: number | undefined
  /** When its first line was there, in milliseconds on the monotonic clock; the deadline counts from it. Default now. */
  readonly receivedAtMs?: number | undefined
}

/** The end of the whole request: its route's limit or its caller's own, whichever is shorter. */
export const deadlineOf = (
  { receivedAtMs, timeoutMs = Number.POSITIVE_INFINITY }: CompletionRequest,
  route: Route,
  fiber: Fiber.Fiber<unknown, unknown>
): Deadline.Deadline =>
  Deadline.after(Math.min(route.timeouts.totalMs, timeoutMs), fiber.getRef(Clock.Clock), receivedAtMs)
