/** The simulated models: each one is a way of speaking, a pace and, for most, a trouble that real upstreams have. */
import {
  ConnectionReset,
  ContextLengthExceeded,
  Overloaded,
  RateLimited,
  type Reason,
  StreamInterrupted,
  UpstreamFailed
} from "../domain/GatewayError.ts"
import type { SimulatedName } from "./SimulatedNames.ts"
import {
  speak,
  type Speaker,
  speakFiltered,
  speakOfImages,
  speakWithReasoning,
  speakWithTools
} from "./SimulatedReply.ts"

export interface Pace {
  /** From the call to the first token, in milliseconds. */
  readonly firstTokenMs: number
  readonly tokensPerSecond: number
}

export interface SimulatedModel {
  readonly speaker: Speaker
  /** Replaces members of the provider's own pace. */
  readonly pace?: Partial<Pace>
  /** Never answers at all, not even with a status. */
  readonly isSilent?: boolean
  /** The failure of the given attempt, counted from 1 for each provider and model. */
  readonly trouble?: (attempt: number) => Reason | undefined
  /** What happens on the way: the stream stalls for ever after so many events, or is cut in its middle. */
  readonly breaks?: { readonly as: "stall"; readonly after: number } | { readonly as: "cut" }
}

const failed = new UpstreamFailed({ message: "The simulated upstream failed.", upstreamStatus: 500 })
const overloaded = new Overloaded({ message: "The simulated upstream is overloaded.", upstreamStatus: 503 })
const limited = new RateLimited({
  message: "The simulated upstream allows one request a second.",
  upstreamStatus: 429,
  retryAfterMs: 1000
})
const tooLong = new ContextLengthExceeded({
  message: "The simulated model's maximum context length is 0 tokens.",
  param: "messages",
  upstreamStatus: 400
})

export const cutStream = new StreamInterrupted({ message: "The simulated upstream cut the stream." })
export const cutAnswer = new ConnectionReset({ message: "The simulated upstream closed the connection." })

const models: Readonly<Record<SimulatedName, SimulatedModel>> = {
  "sim": { speaker: speak },
  "sim-fast": { speaker: speak, pace: { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY } },
  "sim-slow": { speaker: speak, pace: { firstTokenMs: 3000 } },
  // Every third attempt fails, the sixth, twelfth, … as overloaded.
  "sim-flaky": {
    speaker: speak,
    trouble: (attempt) => attempt % 6 === 0 ? overloaded : attempt % 3 === 0 ? failed : undefined
  },
  "sim-rate-limited": { speaker: speak, trouble: (attempt) => (attempt % 2 === 1 ? limited : undefined) },
  "sim-down": { speaker: speak, trouble: () => overloaded },
  "sim-cut": { speaker: speak, breaks: { as: "cut" } },
  "sim-stall": { speaker: speak, breaks: { as: "stall", after: 10 } },
  "sim-silent": { speaker: speak, isSilent: true },
  "sim-tools": { speaker: speakWithTools },
  "sim-vision": { speaker: speakOfImages },
  "sim-json": { speaker: speak },
  "sim-reasoning": { speaker: speakWithReasoning },
  "sim-context": { speaker: speak, trouble: () => tooLong },
  "sim-filter": { speaker: speakFiltered }
}

export const simulatedModels: ReadonlyMap<string, SimulatedModel> = new Map(Object.entries(models))
