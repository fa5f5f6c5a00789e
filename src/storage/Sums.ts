/** Adding up what a ledger holds: sums of one name into one, and the name of a day. Exact: money is never rounded. */
import * as DateTime from "effect/DateTime"
import type { Sum, TokenKinds } from "../domain/LedgerEntry.ts"
import { plus } from "../domain/Money.ts"

/** The kinds of `TokenKinds`, in the order of the tables' columns. */
export const tokenKinds = [
  "input",
  "cacheRead",
  "cacheWrite5m",
  "cacheWrite1h",
  "inputAudio",
  "inputImage",
  "output",
  "reasoning",
  "outputAudio"
] as const satisfies ReadonlyArray<keyof TokenKinds>

const dayMs = 86_400_000

/** The day of a moment in ms since 1970, in UTC, such as `2026-11-23`. */
export const dayOf = (atMs: number): string =>
  DateTime.formatIsoDateUtc(DateTime.makeUnsafe(Math.floor(atMs / dayMs) * dayMs))

/** Nothing yet of this name. */
export const emptySum = (name: string): Sum => ({
  name,
  requests: 0,
  attempts: 0,
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  inputAudio: 0,
  inputImage: 0,
  output: 0,
  reasoning: 0,
  outputAudio: 0,
  cost: 0,
  estimated: 0,
  estimatedInput: 0,
  estimatedOutput: 0,
  unpriced: 0
})

/** Both together under the first one's name. */
export const addSums = (left: Sum, right: Sum): Sum => ({
  name: left.name,
  requests: left.requests + right.requests,
  attempts: left.attempts + right.attempts,
  input: left.input + right.input,
  cacheRead: left.cacheRead + right.cacheRead,
  cacheWrite5m: left.cacheWrite5m + right.cacheWrite5m,
  cacheWrite1h: left.cacheWrite1h + right.cacheWrite1h,
  inputAudio: left.inputAudio + right.inputAudio,
  inputImage: left.inputImage + right.inputImage,
  output: left.output + right.output,
  reasoning: left.reasoning + right.reasoning,
  outputAudio: left.outputAudio + right.outputAudio,
  cost: plus(left.cost, right.cost),
  estimated: plus(left.estimated, right.estimated),
  estimatedInput: left.estimatedInput + right.estimatedInput,
  estimatedOutput: left.estimatedOutput + right.estimatedOutput,
  unpriced: left.unpriced + right.unpriced
})

/** One sum for each name, in the order in which the names first come. */
export const mergeSums = (sums: Iterable<Sum>): ReadonlyArray<Sum> => {
  const byName = new Map<string, Sum>()
  for (const sum of sums) {
    const before = byName.get(sum.name)
    byName.set(sum.name, before === undefined ? sum : addSums(before, sum))
  }
  return [...byName.values()]
}
