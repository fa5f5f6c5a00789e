/** What calls of one target add to, with its labels bound once: under the names of the conventions that are chosen. */
import type { Usage } from "../domain/Usage.ts"
import * as Catalogue from "../observability/Catalogue.ts"
import { type Profile, providerName } from "../observability/Conventions.ts"
import type { Histogram, Instruments, LabelValues } from "../observability/Instruments.ts"
import type { Provider } from "../providers/Provider.ts"
import type { AttemptRecord } from "./Decision.ts"

export interface TargetMetrics {
  /** Seconds of a call that answered. */
  readonly answered: Histogram
  /** Seconds of a call that failed. */
  readonly failed: (errorType: string) => Histogram
  readonly firstChunk: Histogram
  readonly perChunk: Histogram
  readonly used: (usage: Usage) => void
  /** Seconds of an attempt, by what it came to. */
  readonly sent: (attempt: AttemptRecord) => Histogram
  readonly sentWell: Histogram
}

/** The names of 1.41. */
const named141 = (instruments: Instruments, genAi: LabelValues, hasOutput: boolean) => {
  const tokens = instruments.histogram(Catalogue.tokenUsage)
  const input = tokens.of(...genAi, "input")
  const output = tokens.of(...genAi, "output")
  return {
    duration: instruments.histogram(Catalogue.operationDuration),
    firstChunk: instruments.histogram(Catalogue.timeToFirstChunk).of(...genAi),
    perChunk: instruments.histogram(Catalogue.timePerOutputChunk).of(...genAi),
    used: ({ completionTokens, promptTokens }: Usage): void => {
      input.observe(promptTokens)
      if (hasOutput) output.observe(completionTokens)
    }
  }
}

/** Upstreams seldom say of what kind tokens are. */
const modality = "unknown"

/** The names that the conventions have now, which may still move. */
const namedLatest = (instruments: Instruments, genAi: LabelValues, hasOutput: boolean) => {
  const { latest } = Catalogue
  const sum = (definition: typeof latest.inputTokens) => instruments.counter(definition).of(...genAi, modality)
  const sums = {
    input: sum(latest.inputTokens),
    output: sum(latest.outputTokens),
    cacheRead: sum(latest.cacheReadTokens),
    cacheWrite: sum(latest.cacheWriteTokens),
    reasoning: sum(latest.reasoningTokens)
  }
  const input = instruments.histogram(latest.operationInput).of(...genAi)
  const output = instruments.histogram(latest.operationOutput).of(...genAi)
  return {
    duration: instruments.histogram(latest.duration),
    firstChunk: instruments.histogram(latest.timeToFirstChunk).of(...genAi),
    perChunk: instruments.histogram(latest.timePerOutputChunk).of(...genAi),
    used: (usage: Usage): void => {
      input.observe(usage.promptTokens)
      if (hasOutput) output.observe(usage.completionTokens)
      sums.input.add(usage.promptTokens)
      sums.output.add(usage.completionTokens)
      sums.cacheRead.add(usage.cachedTokens ?? 0)
      sums.cacheWrite.add((usage.cacheWriteTokens ?? 0) + (usage.cacheWrite1hTokens ?? 0))
      sums.reasoning.add(usage.reasoningTokens ?? 0)
    }
  }
}

/** Binds the labels of a target; `target` is `provider/model` of the file, or `provider/*`. */
export const bind = (
  instruments: Instruments,
  profile: Profile,
  target: string,
  { kind, server: at }: Pick<Provider, "kind" | "server">,
  operation: "chat" | "embeddings" = "chat"
): TargetMetrics => {
  const model = target.slice(target.indexOf("/") + 1)
  const server: LabelValues = [at?.address, at === undefined ? undefined : String(at.port)]
  const genAi: LabelValues = [
    operation,
    providerName(profile, kind),
    model === "*" ? "other" : model,
    ...server,
    target
  ]
  // Vectors are no tokens.
  const hasOutput = operation === "chat"
  const { duration, ...rest } = profile.name === "latest"
    ? namedLatest(instruments, genAi, hasOutput)
    : named141(instruments, genAi, hasOutput)
  const http = instruments.histogram(Catalogue.httpClientDuration)
  return {
    ...rest,
    answered: duration.of(...genAi, undefined),
    failed: (errorType) => duration.of(...genAi, errorType),
    sentWell: http.of("POST", ...server, "200", target, undefined),
    sent: ({ outcome, upstreamStatus }) => {
      const status = upstreamStatus === undefined ? undefined : String(upstreamStatus)
      return http.of("POST", ...server, status, target, status === undefined || status === "200" ? outcome : status)
    }
  }
}
