/** One id per request, on every log line, span and answer: the caller's if it is sane, else a UUIDv7 of ours. */
import * as Clock from "effect/Clock"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"

const sane = /^[A-Za-z0-9._-]{1,128}$/

/** All bytes as two digits: a number is written four times as fast from them as by `toString` and `padStart`. */
const bytes = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"))

const byte = (value: number): string => bytes[value & 0xff] ?? ""

/** Six digits of 24 bits. */
const three = (value: number): string => byte(value >> 16) + byte(value >> 8) + byte(value)

let minted = { nowMs: -1, time: "" }

/** The first 48 bits, which many ids of a busy moment have in common. */
const timeOf = (nowMs: number): string => {
  if (minted.nowMs !== nowMs) {
    const digits = nowMs.toString(16).padStart(12, "0")
    minted = { nowMs, time: `${digits.slice(0, 8)}-${digits.slice(8)}` }
  }
  return minted.time
}

const random24 = (random: () => number): number => Math.floor(random() * 0x1000000)

/** A UUIDv7: 48 bits of milliseconds, then random. */
export const mint = (nowMs: number, random: () => number): string => {
  // 12 bits behind the version, 14 behind the variant, 48 at the end.
  const a = random24(random)
  const b = random24(random)
  const version = byte(0x70 | a >> 8 & 0xf) + byte(a)
  const variant = byte(0x80 | b >> 8 & 0x3f) + byte(b)
  return `${timeOf(nowMs)}-${version}-${variant}-${three(random24(random))}${three(random24(random))}`
}

/** The id of a request that came with this `x-request-id`; a header that is not `[A-Za-z0-9._-]{1,128}` is ignored. */
export const requestId = (header: string | undefined, fiber: Fiber.Fiber<unknown, unknown>): string => {
  if (header !== undefined && sane.test(header)) return header
  const random = fiber.getRef(Random.Random)
  return mint(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe(), () => random.nextDoubleUnsafe())
}
