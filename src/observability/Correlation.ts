/** One id per request, on every log line, span and answer: the caller's if it is sane, else a UUIDv7 of ours. */
import * as Clock from "effect/Clock"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"

const sane = /^[A-Za-z0-9._-]{1,128}$/

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0")

let minted = { nowMs: -1, time: "" }

/** The first 48 bits, which many ids of a busy moment have in common. */
const timeOf = (nowMs: number): string => {
  if (minted.nowMs !== nowMs) {
    const digits = hex(nowMs, 12)
    minted = { nowMs, time: `${digits.slice(0, 8)}-${digits.slice(8)}` }
  }
  return minted.time
}

/** A UUIDv7: 48 bits of milliseconds, then random. */
export const mint = (nowMs: number, random: () => number): string => {
  const a = hex(Math.floor(random() * 0x1000), 3)
  const b = hex(0x8000 + Math.floor(random() * 0x4000), 4)
  const c = hex(Math.floor(random() * 0x1000000), 6)
  const d = hex(Math.floor(random() * 0x1000000), 6)
  return `${timeOf(nowMs)}-7${a}-${b}-${c}${d}`
}

/** The id of a request that came with this `x-request-id`; a header that is not `[A-Za-z0-9._-]{1,128}` is ignored. */
export const requestId = (header: string | undefined, fiber: Fiber.Fiber<unknown, unknown>): string => {
  if (header !== undefined && sane.test(header)) return header
  const random = fiber.getRef(Random.Random)
  return mint(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe(), () => random.nextDoubleUnsafe())
}
