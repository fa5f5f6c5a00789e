/** The last ten minutes of finished requests in sixty slots of ten seconds: how many, how they ended, how long they took. */
import * as Schema from "effect/Schema"
import { callersOwn } from "../domain/GatewayError.ts"
import * as Decision from "./Decision.ts"
import * as Latency from "./Latency.ts"

/** Length of a slot. */
export const stepMs = 10_000
/** How many slots are kept, the current one included. */
export const slotCount = 60

const Count = Schema.Number

/** One slot as it travels between processes. */
export const Slot = Schema.Struct({
  /** Its beginning in milliseconds since 1970, divided by `stepMs`. */
  number: Count,
  requests: Count,
  /** Ended in a failure that was not the caller's own. */
  failed: Count,
  /** Refused for what the caller had sent. */
  refused: Count,
  cancelled: Count,
  /** Retries and failovers. */
  again: Count,
  inputTokens: Count,
  outputTokens: Count,
  usd: Count,
  /** Of requests that were answered, to the last byte. */
  latency: Schema.Array(Count),
  firstContent: Schema.Array(Count)
})
export type Slot = typeof Slot.Type

interface OpenSlot {
  number: number
  requests: number
  failed: number
  refused: number
  cancelled: number
  again: number
  inputTokens: number
  outputTokens: number
  usd: number
  latency: Latency.Buckets
  firstContent: Latency.Buckets
}

/** Slot n is at n modulo their number. */
export type Traffic = ReadonlyArray<OpenSlot>

const emptySlot = (): OpenSlot => ({
  number: -1,
  requests: 0,
  failed: 0,
  refused: 0,
  cancelled: 0,
  again: 0,
  inputTokens: 0,
  outputTokens: 0,
  usd: 0,
  latency: Latency.empty(),
  firstContent: Latency.empty()
})

export const make = (): Traffic => Array.from({ length: slotCount }, emptySlot)

const slotAt = (traffic: Traffic, nowMs: number): OpenSlot | undefined => {
  const number = Math.floor(nowMs / stepMs)
  const slot = traffic[number % slotCount]
  if (slot === undefined || slot.number === number) return slot
  // A clock that was set back must not empty what is newer.
  if (slot.number > number) return undefined
  slot.latency.fill(0)
  slot.firstContent.fill(0)
  const { firstContent, latency } = slot
  return Object.assign(slot, emptySlot(), { number, latency, firstContent })
}

/** Counts a request that ended at this moment, and how often it was retried or failed over. */
export const note = (traffic: Traffic, decision: Decision.Decision, again: number, nowMs: number): void => {
  const slot = slotAt(traffic, nowMs)
  if (slot === undefined) return
  const { cancelled, error, firstContentMs, startedAtMs, usage } = decision
  slot.requests += 1
  slot.again += again
  if (cancelled === true) slot.cancelled += 1
  else if (error === undefined) Latency.add(slot.latency, nowMs - startedAtMs)
  else if (callersOwn.has(error)) slot.refused += 1
  else slot.failed += 1
  if (firstContentMs !== undefined) Latency.add(slot.firstContent, firstContentMs)
  if (usage !== undefined) {
    slot.inputTokens += usage.promptTokens
    slot.outputTokens += usage.completionTokens
  }
  const cost = Decision.costOf(decision)
  if (cost !== undefined && "picoUsd" in cost) slot.usd += Number(cost.picoUsd) / 1e12
}

const slotOf = (slot: OpenSlot): Slot => ({
  ...slot,
  latency: Latency.toSparse(slot.latency),
  firstContent: Latency.toSparse(slot.firstContent)
})

/** A slot in which nothing ended. */
export const nothing: Slot = slotOf(emptySlot())

/** The slots of the last ten minutes in which anything ended, oldest first. */
export const read = (traffic: Traffic, nowMs: number): ReadonlyArray<Slot> => {
  const last = Math.floor(nowMs / stepMs)
  return traffic
    .filter(({ number }) => number >= 0 && number > last - slotCount && number <= last)
    .toSorted((left, right) => left.number - right.number)
    .map(slotOf)
}
