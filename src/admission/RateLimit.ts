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

/** A bucket of the store. */
interface Bucket {
  readonly key: string
  readonly limit: number
  /** Until there is one more, and the same in milliseconds. */
  readonly refillRate: Duration.Duration
  readonly refillMs: number
}

const window = Duration.minutes(1)

/** The bucket of each name, made once: a key that is put together for each request would be hashed for each. */
const makeBuckets = (kind: string) => {
  const known = new Map<string, Bucket>()
  return (name: string, limit: number): Bucket => {
    const found = known.get(name)
    if (found?.limit === limit) return found
    const refillRate = Duration.divideUnsafe(window, limit)
    // With its limit: the store keeps what a bucket holds, also where that is more than a lower limit allows.
    const made = { key: `${name}:${kind}:${limit}`, limit, refillRate, refillMs: Duration.toMillis(refillRate) }
    known.set(name, made)
    return made
  }
}

/** The store did not count. */
export interface StoreFailed {
  readonly message: string
}

interface Taken {
  readonly standing: Standing
  /** Nothing was taken, and this is how long the same would have to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined
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

/** What the store said: how many are left, or would be missing, and how long ago it last added one. */
type Said = readonly [left: number, elapsedMs: number]

const takenOf = ({ limit, refillMs }: Bucket, tokens: number, [left, elapsedMs]: Said): Taken => {
  const holds = left < 0 ? left + tokens : left
  return {
    standing: {
      limit,
      remaining: Math.max(0, Math.floor(holds)),
      resetMs: Math.max(0, Math.ceil(limit - holds) * refillMs - elapsedMs)
    },
    retryAfterMs: left < 0 ? Math.max(1, Math.ceil(-left) * refillMs - elapsedMs) : undefined
  }
}

const counted = (of: RateRefusal["of"], { retryAfterMs, standing }: Taken, standings: Standings): Counted => ({
  standings,
  refused: retryAfterMs === undefined ? undefined : { of, limit: standing.limit, retryAfterMs }
})

/** Why the store itself and not the limiter over it: the limiter works out durations of every call anew, and fails where this refuses. */
const over = (store: RateLimiter.RateLimiterStore["Service"]): Rates => {
  const [requestsOf, tokensOf] = [makeBuckets("requests"), makeBuckets("tokens")]

  /** Of a bucket, if it holds so many. */
  const take = ({ key, limit, refillRate }: Bucket, tokens: number): Effect.Effect<Said, StoreFailed> =>
    store.tokenBucket({ key, tokens, limit, refillRate, allowOverflow: false })

  /** Into a bucket, or out of it, whatever it holds. */
  const change = ({ key, limit, refillRate }: Bucket, tokens: number): Effect.Effect<unknown, StoreFailed> =>
    store.tokenBucket({ key, tokens, limit, refillRate, allowOverflow: true })

  const takeTokens = ({ name, tpm }: Line, tokens: number, requests: Standing | undefined) => {
    if (tpm === undefined) return Effect.succeed<Counted>({ standings: requests === undefined ? none : { requests } })
    const bucket = tokensOf(name, tpm)
    // One that is larger than the limit passes when nothing else was used, and leaves a debt behind.
    const most = Math.min(tpm, tokens)
    return Effect.map(take(bucket, most), (said) => {
      const taken = takenOf(bucket, most, said)
      return counted("tokens", taken, { requests, tokens: taken.standing })
    })
  }

  return {
    take: (line, tokens) => {
      const { name, rpm } = line
      if (rpm === undefined) return takeTokens(line, tokens, undefined)
      const bucket = requestsOf(name, rpm)
      return Effect.flatMap(take(bucket, 1), (said) => {
        const taken = takenOf(bucket, 1, said)
        return taken.retryAfterMs === undefined
          ? takeTokens(line, tokens, taken.standing)
          : Effect.succeed(counted("requests", taken, { requests: taken.standing }))
      })
    },
    giveBack: ({ name, rpm, tpm }, tokens, what) =>
      Effect.asVoid(Effect.andThen(
        rpm === undefined ? Effect.void : change(requestsOf(name, rpm), -1),
        tpm === undefined || what === "request" ? Effect.void : change(tokensOf(name, tpm), -Math.min(tpm, tokens))
      )),
    owe: ({ name, tpm }, tokens) =>
      tpm === undefined || tokens <= 0 ? Effect.void : Effect.asVoid(change(tokensOf(name, tpm), tokens))
  }
}

/** Rates over the store that is there. */
export const make: Effect.Effect<Rates, never, RateLimiter.RateLimiterStore> = Effect.map(
  RateLimiter.RateLimiterStore,
  over
)
