/**
 * Whether this process takes one more request at all, judged before anything of it is read: by how many it has in flight, and
 * by how late its event loop is. What matters least is turned away first; whoever is turned away hears so at once.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { LoadShed } from "../domain/GatewayError.ts"
import type { Priority } from "../domain/Priority.ts"
import { DurationText } from "../domain/Quantity.ts"

export interface SheddingSettings {
  /** Requests in flight in one process, streams to their last byte. Default 2,048. */
  readonly inFlight: number
  /** Lateness of the event loop (99th percentile), in milliseconds, beyond which fewer are taken. Default 100. */
  readonly lagMs: number
}

export const defaultSheddingSettings: SheddingSettings = { inFlight: 2048, lagMs: 100 }

/** Part of `server.limits`. */
export const sheddingInput = {
  inFlight: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  lag: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0)))
}

/** The share of the limit that a class may fill: what is above it is kept for those that matter more. */
const shares: Readonly<Record<Priority, number>> = { critical: 1, normal: 0.9, "best-effort": 0.7, batch: 0.5 }

/** How many requests may be in flight when one more of a class comes; at least one of each, so that no class is locked out. */
export const thresholds = (limit: number): Readonly<Record<Priority, number>> => ({
  critical: Math.ceil(limit * shares.critical),
  normal: Math.ceil(limit * shares.normal),
  "best-effort": Math.ceil(limit * shares["best-effort"]),
  batch: Math.ceil(limit * shares.batch)
})

/** However late the loop is, so many are always taken. */
const fewest = 64

/** A loop that had more idle time than this is late because somebody else stopped it, and fewer requests would not help. */
const busyAt = 0.7

/** The event loop since the last look at it. */
export interface LoopLook {
  /** Lateness, 99th percentile, in milliseconds. */
  readonly lagMs: number
  /** Share of the time in which it had something to do, 0 to 1. */
  readonly utilization: number
}

/**
 * The limit after one more look at the loop: a fifth below what is in flight while the loop is late, an eighth up again while
 * it is not. Gradual, because all or nothing would make the load swing.
 */
const afterLook = (settings: SheddingSettings, limit: number, lagMs: number, inFlight: number): number =>
  lagMs > settings.lagMs
    ? Math.min(limit, Math.max(Math.min(fewest, settings.inFlight), Math.floor(inFlight * 0.8)))
    : Math.min(settings.inFlight, Math.ceil(limit * 1.125))

/** When somebody who was turned away may ask again, in milliseconds. */
const retryAfterMs = 1000

const reasonOf = (priority: Priority): LoadShed =>
  new LoadShed({
    message:
      `The gateway has as many requests in flight as it can serve in time, and takes no more of priority ${priority} now.`,
    retryAfterMs
  })

const reasons: Readonly<Record<Priority, LoadShed>> = {
  critical: reasonOf("critical"),
  normal: reasonOf("normal"),
  "best-effort": reasonOf("best-effort"),
  batch: reasonOf("batch")
}

export class Shedding extends Context.Service<Shedding, {
  /** Takes one more, or says why not. Who is taken must `leave` with the last byte. */
  readonly enter: (priority: Priority) => LoadShed | undefined
  readonly leave: () => void
  /** Told by whoever watches the event loop, once a second or so. */
  readonly look: (look: LoopLook) => void
  readonly seen: () => {
    readonly inFlight: number
    readonly limit: number
    readonly lagMs: number
    /** Turned away since the start, by class. */
    readonly shed: Readonly<Record<Priority, number>>
  }
}>()("breakwater/admission/Shedding") {}

const make = (settings: SheddingSettings): Shedding["Service"] => {
  const shed: Record<Priority, number> = { critical: 0, normal: 0, "best-effort": 0, batch: 0 }
  let inFlight = 0
  let limit = settings.inFlight
  let most = thresholds(limit)
  let lastLagMs = 0
  let lastOwnLagMs = 0
  return Shedding.of({
    enter: (priority) => {
      if (inFlight < most[priority]) {
        inFlight++
        return undefined
      }
      shed[priority]++
      return reasons[priority]
    },
    leave: () => void inFlight--,
    look: ({ lagMs, utilization }) => {
      const ownLagMs = utilization < busyAt ? 0 : lagMs
      // Twice in a row: one long pause, such as a collector's, is over when it is seen.
      const next = afterLook(settings, limit, Math.min(ownLagMs, lastOwnLagMs), inFlight)
      lastOwnLagMs = ownLagMs
      lastLagMs = lagMs
      if (next === limit) return
      limit = next
      most = thresholds(limit)
    },
    seen: () => ({ inFlight, limit, lagMs: lastLagMs, shed: { ...shed } })
  })
}

export const layer = (settings: SheddingSettings): Layer.Layer<Shedding> =>
  Layer.effect(Shedding, Effect.sync(() => make(settings)))
