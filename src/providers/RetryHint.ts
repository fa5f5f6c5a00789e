/** How long an upstream asks us to wait, from whichever of its headers says so; nonsense is nobody's word. */
import type { ResponseHeaders } from "./TransportExchange.ts"

/** Longest hint that is believed: a day. */
const maxHintMs = 86_400_000

/** A header's value; the first one of a repeated header. */
export const headerOf = (headers: ResponseHeaders, name: string): string | undefined => {
  const value = headers[name]
  return typeof value === "string" || value === undefined ? value : value[0]
}

const sane = (ms: number): number | undefined =>
  Number.isFinite(ms) && ms > 0 ? Math.min(Math.ceil(ms), maxHintMs) : undefined

const number = (text: string): number => /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : Number.NaN

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `12ms`, `1s`, `6m0s`; a bare number is seconds. */
const span = (text: string): number => {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return number(text) * 1000
  let ms = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(amount) * (units[unit ?? ""] ?? 0)
  }
  return ms
}

/**
 * Milliseconds, or undefined: `retry-after-ms`, then `retry-after` (seconds or an HTTP date), then the reset of each window
 * (`x-ratelimit-reset-requests`, `-tokens`) that has nothing remaining.
 */
export const retryAfterMs = (headers: ResponseHeaders, nowMs: number): number | undefined => {
  const ms = headerOf(headers, "retry-after-ms")
  const exact = ms === undefined ? undefined : sane(number(ms))
  if (exact !== undefined) return exact
  const after = headerOf(headers, "retry-after")
  if (after !== undefined) {
    const seconds = number(after)
    const hint = sane(/[a-z]/i.test(after) ? Date.parse(after) - nowMs : seconds * 1000)
    if (hint !== undefined) return hint
  }
  const resets = ["requests", "tokens"].flatMap((window) => {
    const remaining = headerOf(headers, `x-ratelimit-remaining-${window}`)
    const reset = headerOf(headers, `x-ratelimit-reset-${window}`)
    return remaining !== undefined && number(remaining) === 0 && reset !== undefined ? [span(reset.trim())] : []
  })
  return resets.length === 0 ? undefined : sane(Math.max(...resets))
}
