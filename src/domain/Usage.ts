/** What an answer consumed, in tokens, as the upstream counted it, and what it said about the price of that. */
import type { PicoUsd } from "./Money.ts"

export interface Usage {
  /** All input tokens, cached and cache-written ones included. */
  readonly promptTokens: number
  /** All output tokens, reasoning included. */
  readonly completionTokens: number
  readonly totalTokens: number
  /** Part of the input that was read from the upstream's cache. */
  readonly cachedTokens?: number | undefined
  /** Part of the input that was written to its cache for the usual time. */
  readonly cacheWriteTokens?: number | undefined
  /** Part of the input that was written to its cache for an hour. */
  readonly cacheWrite1hTokens?: number | undefined
  /** Part of the input that was audio. */
  readonly audioPromptTokens?: number | undefined
  /** Part of the input that was images. */
  readonly imagePromptTokens?: number | undefined
  /** Part of the output. */
  readonly reasoningTokens?: number | undefined
  /** Part of the output. */
  readonly audioCompletionTokens?: number | undefined
  /** Searches of the web that the model had the upstream make, which are charged by the piece; absent = none. */
  readonly searches?: number | undefined
  /** What the upstream said that it charges for this answer. */
  readonly reportedCost?: PicoUsd | undefined
  /** The tier that served it, where the upstream named another than its usual one. */
  readonly serviceTier?: string | undefined
  /** Where it was made, where the upstream named a place that has a price of its own. */
  readonly region?: string | undefined
  /** The model that was charged, where the name that was asked for is the operator's own word. */
  readonly servedModel?: string | undefined
}
