/**
 * Requests and tokens a minute, for each name that has a limit: token buckets of `effect/persistence`, full at first and filled
 * evenly. Trap: what an answer uses is known only at its end, so its tokens are taken then, as a debt if need be; who comes while
 * there is one is refused.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Limits } from "../domain/Principal.ts"

/** How a limit stands after a request was counted. */
export interface Standing {
  readonly limit: number
  readonly remaining: number
  /** Until all of it is there again, in milliseconds. */
  readonly resetMs: number
}

/** The limits of one name, such as `key:alice`. */
export interface Line extends Limits {
  readonly name: string
}

/** What of a minute's is left; absent = no such limit. */
export interface Standings {
  readonly requests?: Standing | undefined
  readonly tokens?: Standing | undefined
}

export interface RateRefusal {
  readonly of: "requests" | "tokens"
  readonly limit: number
  readonly retryAfterMs: number
}

/** How the limits of the line stand, and which of them refused. */
export interface Counted {
  readonly standings: Standings
  readonly refused?: RateRefusal | undefined
}

/** What a line is called in the store; a text that is put together for each request would be hashed for each. */
const makeKeys = () => {
  const known = new Map<string, { readonly requests: string; readonly tokens: string }>()
  return (name: string) => {
    const found = known.get(name)
    if (found !== undefined) return found
    const made = { requests: `${name}:requests`, tokens: `${name}:tokens` }
    known.set(name, made)
    return made
  }
}

const window = Duration.minutes(1)
const windowMs = 60_000

/** The store did not count. */
export type StoreFailed = { readonly _tag: "StoreFailed"; readonly message: string }

interface Taken {
  readonly standing: Standing
  /** Nothing was taken, and this is how long the same would have to wait, in milliseconds. */
  readonly retryAfterMs?: number
}

/** What a bucket holds that will have so many tokens after a pause. */
const standingBefore = (limit: number, tokens: number, retryAfterMs: number): Standing => {
  const msPerToken = windowMs / limit
  return {
    limit,
    remaining: Math.max(0, Math.floor(tokens - retryAfterMs / msPerToken)),
    resetMs: retryAfterMs + (limit - tokens) * msPerToken
  }
}

const none: Standings = {}

/** Counts over a store. */
export interface Rates {
  /** One request of about so many tokens on a line; nothing is taken of the tokens where the request is refused. */
  readonly take: (line: Line, tokens: number) => Effect.Effect<Counted, StoreFailed>
  /** What such a `take` took: all of it, or its request alone. */
  readonly giveBack: (line: Line, tokens: number, what: "all" | "request") => Effect.Effect<void, StoreFailed>
  /** So many tokens more than were taken; whoever asks next may find a debt. */
  readonly owe: (line: Line, tokens: number) => Effect.Effect<void, StoreFailed>
}

const overOneMinute = (limiter: RateLimiter.RateLimiter) => {
  const consume = (
    key: string,
    limit: number,
    tokens: number,
    onExceeded: "fail" | "delay"
  ): Effect.Effect<Taken, StoreFailed> =>
    Effect.matchEffect(limiter.consume({ algorithm: "token-bucket", key, limit, tokens, onExceeded, window }), {
      onSuccess: ({ remaining, resetAfter }) =>
        Effect.succeed<Taken>({
          standing: { limit, remaining: Math.max(0, Math.floor(remaining)), resetMs: Duration.toMillis(resetAfter) }
        }),
      onFailure: ({ reason }): Effect.Effect<Taken, StoreFailed> => {
        if (reason._tag !== "RateLimitExceeded") return Effect.fail({ _tag: "StoreFailed", message: reason.message })
        const retryAfterMs = Math.max(1, Duration.toMillis(reason.retryAfter))
        return Effect.succeed({ standing: standingBefore(limit, tokens, retryAfterMs), retryAfterMs })
      }
    })
  return consume
}

/** Rates over the limiter that is there. */
export const make: Effect.Effect<Rates, never, RateLimiter.RateLimiter> = Effect.map(
  RateLimiter.RateLimiter,
  (limiter) => {
    const consume = overOneMinute(limiter)
    const keysOf = makeKeys()
    const counted = (
      of: RateRefusal["of"],
      { retryAfterMs, standing }: Taken,
      standings: Standings
    ): Counted => ({
      standings,
      refused: retryAfterMs === undefined ? undefined : { of, limit: standing.limit, retryAfterMs }
    })
    const takeTokens = (
      { name, tpm }: Line,
      tokens: number,
      requests: Standing | undefined
    ): Effect.Effect<Counted, StoreFailed> => {
      if (tpm === undefined) return Effect.succeed({ standings: requests === undefined ? none : { requests } })
      // One that is larger than the limit passes when nothing else was used, and leaves a debt behind.
      return Effect.map(
        consume(keysOf(name).tokens, tpm, Math.min(tpm, tokens), "fail"),
        (taken) => counted("tokens", taken, { requests, tokens: taken.standing })
      )
    }
    return {
      take: (line, tokens) => {
        const { name, rpm } = line
        if (rpm === undefined) return takeTokens(line, tokens, undefined)
        return Effect.flatMap(
          consume(keysOf(name).requests, rpm, 1, "fail"),
          (taken) =>
            taken.retryAfterMs === undefined
              ? takeTokens(line, tokens, taken.standing)
              : Effect.succeed(counted("requests", taken, { requests: taken.standing }))
        )
      },
      giveBack: ({ name, rpm, tpm }, tokens, what) =>
        Effect.andThen(
          rpm === undefined ? Effect.void : consume(keysOf(name).requests, rpm, -1, "delay"),
          tpm === undefined || what === "request"
            ? Effect.void
            : Effect.asVoid(consume(keysOf(name).tokens, tpm, -Math.min(tpm, tokens), "delay"))
        ),
      owe: ({ name, tpm }, tokens) =>
        tpm === undefined || tokens <= 0
          ? Effect.void
          : Effect.asVoid(consume(keysOf(name).tokens, tpm, tokens, "delay"))
    }
  }
)
