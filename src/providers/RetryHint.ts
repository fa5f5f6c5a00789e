/** How long an upstream asks us to wait, from whichever of its headers or words says so; nonsense is nobody's word. */
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

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** As HTTP and RFC 3339 begin a date; `Date.parse` would find one in `retry 2050` too. */
const dated = /^\s*(?:\d{4}-|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun))/i
const zoned = /(?:GMT|UTC|Z|[+-]\d\d:?\d\d)\s*$/i

/** Milliseconds on the clock of the day to a date of RFC 3339 or of HTTP, which means GMT where it does not say so. */
const untilDate = (text: string, nowMs: number): number =>
  dated.test(text) ? Date.parse(zoned.test(text) ? text : `${text} GMT`) - nowMs : Number.NaN

const exactNames = ["retry-after-ms", "x-ms-retry-after-ms"]

/** OpenAI's, Azure's and Groq's resets are spans, Anthropic's are dates. */
const windows: ReadonlyArray<{ readonly remaining: string; readonly reset: string }> = [
  ...["requests", "tokens"].map((name) => ({
    remaining: `x-ratelimit-remaining-${name}`,
    reset: `x-ratelimit-reset-${name}`
  })),
  ...["requests", "tokens", "input-tokens", "output-tokens"].map((name) => ({
    remaining: `anthropic-ratelimit-${name}-remaining`,
    reset: `anthropic-ratelimit-${name}-reset`
  }))
]

/** Only a window that has nothing remaining binds. */
const resetMs = (headers: ResponseHeaders, nowMs: number): number | undefined => {
  const resets = windows.flatMap(({ remaining, reset }) => {
    const left = headerOf(headers, remaining)
    const text = headerOf(headers, reset)?.trim()
    if (left === undefined || text === undefined || number(left) !== 0) return []
    return [/^\d{4}-/.test(text) ? untilDate(text, nowMs) : span(text)]
  })
  return resets.length === 0 ? undefined : sane(Math.max(...resets))
}

/** Google's `error.details[].retryDelay`, such as `46s`; some endpoints wrap the error in a list. */
const retryInfoMs = (body: unknown): number | undefined => {
  const outer: unknown = Array.isArray(body) ? body[0] : body
  const error = isRecord(outer) && isRecord(outer["error"]) ? outer["error"] : undefined
  const details = error?.["details"]
  if (!Array.isArray(details)) return undefined
  for (const detail of details) {
    const delay = isRecord(detail) ? detail["retryDelay"] : undefined
    if (typeof delay === "string") return sane(span(delay.trim()))
  }
  return undefined
}

/** `Please try again in 6m0s.` */
const saidMs = (message: string): number | undefined => {
  const said = /\btry again in ((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)/i.exec(message.slice(0, 2000))?.[1]
  return said === undefined ? undefined : sane(span(said.toLowerCase()))
}

const headerMs = (headers: ResponseHeaders, nowMs: number): number | undefined => {
  for (const name of exactNames) {
    const ms = headerOf(headers, name)
    const exact = ms === undefined ? undefined : sane(number(ms))
    if (exact !== undefined) return exact
  }
  const after = headerOf(headers, "retry-after")
  return after === undefined
    ? undefined
    : sane(/[a-z]/i.test(after) ? untilDate(after, nowMs) : number(after) * 1000)
}

/** Where a hint may stand. */
export interface HintSource {
  readonly headers?: ResponseHeaders | undefined
  /** The parsed body. */
  readonly body?: unknown
  /** The upstream's own words, not scrubbed. */
  readonly message?: string | undefined
}

/**
 * Milliseconds, or undefined: `retry-after-ms`, then `retry-after` (seconds or an HTTP date), Google's RetryInfo in the body, the
 * words, and last the reset of each window (OpenAI's and Anthropic's headers) that has nothing remaining.
 */
export const retryAfterMs = ({ body, headers = {}, message = "" }: HintSource, nowMs: number): number | undefined =>
  headerMs(headers, nowMs) ?? retryInfoMs(body) ?? saidMs(message) ?? resetMs(headers, nowMs)
