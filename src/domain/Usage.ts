/** What an answer consumed, in tokens, as the upstream counted it. */
export interface Usage {
  /** All input tokens, cached and cache-written ones included. */
  readonly promptTokens: number
  /** All output tokens, reasoning included. */
  readonly completionTokens: number
  readonly totalTokens: number
  readonly cachedTokens?: number | undefined
  readonly reasoningTokens?: number | undefined
}
