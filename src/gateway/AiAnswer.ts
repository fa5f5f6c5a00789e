/** What comes out of the library's door. */
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import { toUsd } from "../domain/Money.ts"
import type { Usage } from "../domain/Usage.ts"
import * as Decision from "./Decision.ts"

/** Who answered, and what it took. */
export interface AiSummary {
  /** The provider's name in the configuration. */
  readonly provider: string
  /** The upstream's name of the model. */
  readonly model: string
  /** Absent when the upstream did not say. */
  readonly usage: Usage | undefined
  /** What the answer cost in USD, an exact decimal; absent when that is not known, and the decision's record says why. */
  readonly costUsd: string | undefined
  /** Requests that left for upstreams, the successful one included. */
  readonly attempts: number
  /** The whole record: candidates, skipped targets, every attempt. */
  readonly decision: Decision.Decision
}

export interface AiAnswer extends AiSummary {
  /** Text of the first choice; empty when it holds tool calls only. */
  readonly text: string
  readonly completion: ChatCompletion
}

/** What a stream is made of: deltas, then one `Finished`. A stream that breaks fails instead. */
export type AiEvent =
  | { readonly _tag: "Delta"; readonly text: string; readonly chunk: ChatChunk }
  | { readonly _tag: "Finished"; readonly summary: AiSummary }

/** The summary of a request that is over. */
export const summaryOf = (decision: Decision.Decision): AiSummary => {
  const cost = Decision.costOf(decision)
  return {
    provider: decision.provider ?? "",
    model: decision.model ?? "",
    usage: decision.usage,
    costUsd: cost !== undefined && "picoUsd" in cost ? toUsd(cost.picoUsd) : undefined,
    attempts: decision.attempts.length,
    decision
  }
}
