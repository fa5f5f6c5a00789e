/** What an operator sees and does: the state of every target, the manual control of breakers, and whether we are draining. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { GatewayError } from "../domain/GatewayError.ts"

export type Status = "pass" | "warn" | "fail"

export interface ComponentHealth {
  readonly component: string
  readonly status: Status
  readonly output?: string | undefined
}

export interface TargetHealth {
  /** `provider/model` of the file. */
  readonly target: string
  readonly state: "closed" | "half-open" | "open" | "forced-open" | "forced-closed" | "metrics-only"
  readonly failureRate: number
  readonly callsInWindow: number
  readonly inFlight: number
  readonly retryAfterMs?: number | undefined
  readonly lastError?: string | undefined
}

export interface Control {
  readonly action: "reset" | "open" | "close" | "metrics-only"
  /** `provider/model`; absent = all. */
  readonly target?: string | undefined
  readonly reason?: string | undefined
  readonly ttlMs?: number | undefined
}

export class Health extends Context.Service<Health, {
  readonly overall: Effect.Effect<{ readonly status: Status; readonly components: ReadonlyArray<ComponentHealth> }>
  readonly targets: Effect.Effect<ReadonlyArray<TargetHealth>>
  /** The last requests' decision records, newest first, and totals since start. */
  readonly monitoring: Effect.Effect<Readonly<Record<string, unknown>>>
  /** Fails with `RouteNotFound` (code `target_not_found`) for an unknown target. */
  readonly control: (
    control: Control
  ) => Effect.Effect<
    ReadonlyArray<{ readonly target: string; readonly from: string; readonly to: string }>,
    GatewayError
  >
  /** started: ready to serve; draining: SIGTERM was seen. */
  readonly phase: Effect.Effect<"starting" | "ready" | "draining">
  readonly setPhase: (phase: "starting" | "ready" | "draining") => Effect.Effect<void>
}>()("breakwater/gateway/Health") {}
