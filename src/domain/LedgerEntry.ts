/** What is kept of a request for good: who asked, what each attempt used and cost, how it ended. No content, no key, no header. */
import type { CostAbsence, Ending } from "./DecisionRecord.ts"
import type { PicoUsd } from "./Money.ts"

/**
 * Tokens in kinds that do not overlap: the first six add up to the prompt, the last three to the completion. Whatever a provider
 * does not tell apart is in `input` or `output`.
 */
export interface TokenKinds {
  readonly input: number
  readonly cacheRead: number
  /** Written to the cache for its usual time. */
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly inputAudio: number
  readonly inputImage: number
  readonly output: number
  readonly reasoning: number
  readonly outputAudio: number
}

/** Who says what something cost: the provider in its answer, our prices and its count, or our prices and our guess. */
export type CostSource = "provider" | "computed" | "estimated"

/** One try on one target. */
export interface LedgerAttempt {
  /** The provider's name in the file. */
  readonly provider: string
  /** The upstream's name of the model. */
  readonly model: string
  /** `ok`, the tag of the reason it failed with, `Diverged`, or `unfinished`. */
  readonly outcome: string
  /** Its start, in milliseconds since 1970. */
  readonly atMs: number
  /** To the whole answer, the first content of a stream, or the failure; absent = it was given up. */
  readonly durationMs: number | undefined
  /** Absent = nobody said. */
  readonly tokens: TokenKinds | undefined
  /** Input and output with a guess at what nobody counted; absent = nothing was guessed. In no other sum. */
  readonly estimated: { readonly input: number; readonly output: number } | undefined
  /** Absent = not known, or nothing was used. */
  readonly cost: PicoUsd | undefined
  readonly costSource: CostSource | undefined
  /** Why the cost of what was, or may have been, used is not known. */
  readonly costAbsent: CostAbsence | undefined
}

/** One request that is over. */
export interface LedgerEntry {
  readonly requestId: string
  /** Receipt, in milliseconds since 1970. */
  readonly atMs: number
  readonly durationMs: number
  /** What the caller put in `model`. */
  readonly alias: string
  readonly stream: boolean
  /** Name of the client key; absent = the door is open. */
  readonly key: string | undefined
  /** The key's. */
  readonly tags: ReadonlyArray<string>
  /** Who answered; absent = nobody. */
  readonly provider: string | undefined
  readonly model: string | undefined
  readonly ended: Ending
  /** Tag of the reason that ended it, if it failed. */
  readonly error: string | undefined
  readonly attempts: ReadonlyArray<LedgerAttempt>
}

/** What sums are taken by. `model` and `provider` are those of the attempts, `day` is of the receipt and in UTC. */
export const sumKinds = ["model", "provider", "key", "tag", "day"] as const
export type SumKind = (typeof sumKinds)[number]

/** The use and cost of all requests with one name. */
export interface Sum extends TokenKinds {
  /** The model, provider, key, tag or day (`2026-11-23`); empty = none, as of an open door or a key without tags. */
  readonly name: string
  readonly requests: number
  readonly attempts: number
  /** Of all attempts whose cost is known, failed ones included. Estimates are not in it. */
  readonly cost: PicoUsd
  readonly estimated: PicoUsd
  /** Of the attempts whose tokens were guessed. */
  readonly estimatedInput: number
  readonly estimatedOutput: number
  /** Attempts that used something, or may have, of which the cost is not known; those with an estimate too. */
  readonly unpriced: number
}
