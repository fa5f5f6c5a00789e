/**
 * How a provider behaves, as a plain value: healthy, slow, silent, failing, breaking off, and all of them by the clock, by
 * chance or by count. `FaultProvider.ts` plays it; what is played for one attempt is `resolve`, a pure function.
 */
import * as Schema from "effect/Schema"
import type { Reason } from "../domain/GatewayError.ts"
import { ConnectionReset, UpstreamUnreachable } from "../domain/GatewayError.ts"
import { DurationText } from "../domain/Quantity.ts"
import { toReason } from "./ProviderError.ts"

/** A length of time: milliseconds, or text with its unit as in the configuration (`250ms`, `5s`, `1m`). */
export type Span = number | `${number}${"ms" | "s" | "m" | "h"}`

const decodeSpan = Schema.decodeUnknownSync(DurationText)

/** A span in milliseconds. Throws on text that is none, and on a number below zero. */
export const millis = (span: Span): number => decodeSpan(typeof span === "number" ? `${span}ms` : span)

/** How an answer comes once the provider has decided to give one. */
export interface Pace {
  /** From the request to the first word, or to the whole answer where it is not streamed. Default 0. */
  readonly firstToken?: Span
  /** Speed of a stream after its first word; a whole answer does not wait for it. Default: all words at once. */
  readonly wordsPerSecond?: number
  /** Length of the answer in words, at least 1. Default 8. */
  readonly words?: number
}

/** Where an answer breaks, after this many words; 0 = before the first. */
interface Break {
  readonly as: "cut" | "stall" | "malformed" | "unfinished"
  readonly afterWords: number
}

/** An answer with every default filled in. */
export interface Answering {
  readonly _tag: "Answer"
  readonly firstTokenMs: number
  /** Between two words of a stream; 0 = all at once. */
  readonly wordMs: number
  readonly words: number
  readonly breaks: Break | undefined
}

/** How one provider behaves. Build it with the functions of this module; it is data and may be shared and printed. */
export type Scenario =
  | Answering
  | { readonly _tag: "Fail"; readonly reason: Reason }
  | { readonly _tag: "Silent" }
  | { readonly _tag: "Slow"; readonly delayMs: number; readonly play: Scenario }
  | { readonly _tag: "Timeline"; readonly parts: ReadonlyArray<{ readonly fromMs: number; readonly play: Scenario }> }
  | {
    readonly _tag: "Flapping"
    readonly upMs: number
    readonly downMs: number
    readonly up: Scenario
    readonly down: Scenario
  }
  | { readonly _tag: "Chance"; readonly probability: number; readonly hit: Scenario; readonly miss: Scenario }
  | { readonly _tag: "Nth"; readonly n: number; readonly hit: Scenario; readonly miss: Scenario }
  | { readonly _tag: "Sequence"; readonly plays: readonly [Scenario, ...ReadonlyArray<Scenario>] }

/** What a test wrote that makes no sense is told where it was written. */
const must = (holds: boolean, message: string): void => {
  if (!holds) throw new RangeError(message)
}

const answer = (pace: Pace, breaks?: Break): Answering => {
  const { words = 8, wordsPerSecond = Number.POSITIVE_INFINITY } = pace
  must(Number.isInteger(words) && words >= 1, `words must be a whole number from 1, not ${words}`)
  must(wordsPerSecond > 0, `wordsPerSecond must be above 0, not ${wordsPerSecond}`)
  return { _tag: "Answer", firstTokenMs: millis(pace.firstToken ?? 0), wordMs: 1000 / wordsPerSecond, words, breaks }
}

/** Answers at once, eight words. */
export const healthy: Scenario = answer({})

/** Answers at this pace. */
export const answering = (pace: Pace): Scenario => answer(pace)

/** Takes the request and never answers. */
export const silent: Scenario = { _tag: "Silent" }

/** Nobody listens: the connection is refused. */
export const unreachable: Scenario = {
  _tag: "Fail",
  reason: new UpstreamUnreachable({ message: "The scenario refuses the connection." })
}

/** Takes the request and closes the connection. */
export const reset: Scenario = {
  _tag: "Fail",
  reason: new ConnectionReset({ message: "The scenario closes the connection." })
}

/**
 * Fails every attempt at once: with an HTTP status, read as the providers read it (429 is `RateLimited`, 503 `Overloaded`, 401
 * `CredentialRejected`), or with a reason of `GatewayError`. `retryAfter` is the pause that comes with a status; default none.
 */
export const failing = (
  what: Reason | number | `${number}`,
  options: { readonly retryAfter?: Span } = {}
): Scenario => {
  if (typeof what === "object") return { _tag: "Fail", reason: what }
  const status = Number(what)
  must(
    Number.isInteger(status) && status >= 400 && status <= 599,
    `a scenario fails with an HTTP status from 400 to 599, not ${what}`
  )
  const headers = options.retryAfter === undefined ? {} : { "retry-after-ms": String(millis(options.retryAfter)) }
  return { _tag: "Fail", reason: toReason("openai", { status, headers, body: undefined, nowMs: 0 }) }
}

/** The same, so much later; a slow failure is one, too. */
export const slow = (delay: Span, play: Scenario = healthy): Scenario => ({
  _tag: "Slow",
  delayMs: millis(delay),
  play
})

const breaking = (as: Break["as"], afterWords: number, pace: Pace): Scenario => {
  must(Number.isInteger(afterWords) && afterWords >= 0, `it breaks after a whole number of words, not ${afterWords}`)
  return answer(pace, { as, afterWords })
}

/** The connection closes after this many words of the answer (`StreamInterrupted`). */
export const cutAfter = (words: number, pace: Pace = {}): Scenario => breaking("cut", words, pace)

/** Nothing more comes after this many words, and the connection stays open; a whole answer never comes. */
export const stallAfter = (words: number, pace: Pace = {}): Scenario => breaking("stall", words, pace)

/** After this many words comes an event that is not JSON (`MalformedAnswer`); a whole answer is not JSON. */
export const malformedAfter = (words: number, pace: Pace = {}): Scenario => breaking("malformed", words, pace)

/**
 * The stream ends properly after this many words, but without its finish reason and `[DONE]` (`StreamInterrupted`); a whole
 * answer breaks off.
 */
export const unfinishedAfter = (words: number, pace: Pace = {}): Scenario => breaking("unfinished", words, pace)

/** What it plays from which moment on; healthy before the first. Moments count from the start of the provider. */
export const timeline = (...parts: ReadonlyArray<readonly [from: Span, play: Scenario]>): Scenario => ({
  _tag: "Timeline",
  parts: parts
    .map(([from, play]) => ({ fromMs: millis(from), play }))
    .toSorted((left, right) => left.fromMs - right.fromMs)
})

/** `play` from one moment until the other, and `otherwise` (default healthy) before and after. */
export const during = (from: Span, until: Span, play: Scenario, otherwise: Scenario = healthy): Scenario =>
  timeline([0, otherwise], [from, play], [until, otherwise])

export interface Flapping {
  /** How long it is up; it starts so. */
  readonly up: Span
  /** How long it is down then, before it begins anew. */
  readonly down: Span
  /** What it does while it is down. Default `failing(503)`. */
  readonly failing?: Scenario
  /** What it does while it is up. Default healthy. */
  readonly healthy?: Scenario
}

/** Up and down by turns, starting up when the provider starts. */
export const flapping = (options: Flapping): Scenario => {
  const upMs = millis(options.up)
  const downMs = millis(options.down)
  must(upMs + downMs > 0, "what flaps must be up or down for some time")
  return { _tag: "Flapping", upMs, downMs, up: options.healthy ?? healthy, down: options.failing ?? failing(503) }
}

/** `play` for this share of the attempts (0 to 1), drawn from Effect's `Random`, so that a seed repeats it. */
export const withProbability = (probability: number, play: Scenario, otherwise: Scenario = healthy): Scenario => {
  must(probability >= 0 && probability <= 1, `a probability is from 0 to 1, not ${probability}`)
  return { _tag: "Chance", probability, hit: play, miss: otherwise }
}

/** `play` for every nth attempt that comes here, the nth first. */
export const everyNth = (n: number, play: Scenario, otherwise: Scenario = healthy): Scenario => {
  must(Number.isInteger(n) && n >= 1, `every nth attempt needs a whole number from 1, not ${n}`)
  return { _tag: "Nth", n, hit: play, miss: otherwise }
}

/** One after the other, one per attempt; the last one stays. */
export const sequence = (...plays: readonly [Scenario, ...ReadonlyArray<Scenario>]): Scenario => ({
  _tag: "Sequence",
  plays
})

/** What one attempt meets: a delay, then an answer, a failure or nothing. */
export interface Play {
  readonly delayMs: number
  readonly outcome: Extract<Scenario, { readonly _tag: "Answer" | "Fail" | "Silent" }>
}

/** When and how an attempt came. */
export interface Moment {
  /** Milliseconds since the provider was made. */
  readonly atMs: number
  /** A draw from 0 to below 1. */
  readonly draw: () => number
  /** How many attempts have come to this scenario, this one included. */
  readonly count: (scenario: Scenario) => number
}

const choose = (scenario: Exclude<Scenario, Play["outcome"] | { readonly _tag: "Slow" }>, moment: Moment): Scenario => {
  switch (scenario._tag) {
    case "Timeline":
      return scenario.parts.findLast(({ fromMs }) => fromMs <= moment.atMs)?.play ?? healthy
    case "Flapping":
      return moment.atMs % (scenario.upMs + scenario.downMs) < scenario.upMs ? scenario.up : scenario.down
    case "Chance":
      return moment.draw() < scenario.probability ? scenario.hit : scenario.miss
    case "Nth":
      return moment.count(scenario) % scenario.n === 0 ? scenario.hit : scenario.miss
    case "Sequence":
      return scenario.plays[moment.count(scenario) - 1] ?? scenario.plays.at(-1) ?? healthy
  }
}

/** What an attempt at this moment meets. */
export const resolve = (scenario: Scenario, moment: Moment): Play => {
  let delayMs = 0
  let current = scenario
  while (true) {
    if (current._tag === "Answer" || current._tag === "Fail" || current._tag === "Silent") {
      return { delayMs, outcome: current }
    }
    if (current._tag === "Slow") {
      delayMs += current.delayMs
      current = current.play
    } else current = choose(current, moment)
  }
}
