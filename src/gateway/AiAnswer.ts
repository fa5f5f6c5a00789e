/** What comes out of the library's door. */
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import { toUsd } from "../domain/Money.ts"
import type { Usage } from "../domain/Usage.ts"
import type { EmbeddingAnswer } from "../providers/Provider.ts"
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

export interface AiVectors extends AiSummary {
  /** One for each input, in their order. */
  readonly vectors: ReadonlyArray<ReadonlyArray<number>>
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

const isVector = (value: unknown): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.every((number) => typeof number === "number")

const dataIn = (text: string): unknown => {
  try {
    const answer: unknown = JSON.parse(text)
    return typeof answer === "object" && answer !== null && "data" in answer ? answer.data : undefined
  } catch {
    return undefined
  }
}

/** The vectors of an answer in the order of their inputs; undefined where its text does not have them. */
export const vectorsOf = ({ text }: EmbeddingAnswer): AiVectors["vectors"] | undefined => {
  const data = dataIn(text)
  if (!Array.isArray(data)) return undefined
  const vectors = new Array<ReadonlyArray<number> | undefined>(data.length)
  for (const { embedding, index } of data) if (isVector(embedding)) vectors[index] = embedding
  const found = vectors.filter((vector) => vector !== undefined)
  return found.length === data.length ? found : undefined
}
