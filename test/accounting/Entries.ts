/** Entries of a ledger, made up by a seed. */
import type { LedgerAttempt, LedgerEntry } from "../../src/domain/LedgerEntry.ts"

const pick = <A>(next: () => number, all: ReadonlyArray<A>, fallback: A): A =>
  all[Math.floor(next() * all.length)] ?? fallback

const day = 86_400_000

/** Any number of attempts, costs of any size and source, keys with any tags, in five days of November 2026. */
export const randomEntry = (next: () => number, number: number): LedgerEntry => {
  const count = (most: number) => Math.floor(next() * most)
  const attempt = (at: number): LedgerAttempt => {
    const source = pick(next, ["provider", "computed", "estimated", undefined] as const, undefined)
    const isLarge = next() < 0.1
    return {
      provider: pick(next, ["openai", "claude", "b\"ackup"], ""),
      model: pick(next, ["gpt-4.1", "claude-haiku-4-5", "größer/Ω"], ""),
      outcome: pick(next, ["ok", "RateLimited", "unfinished"], ""),
      atMs: 1_795_000_000_000 + at,
      durationMs: next() < 0.2 ? undefined : count(10_000),
      tokens: next() < 0.3 ? undefined : {
        input: count(1e6),
        cacheRead: count(1e6),
        cacheWrite5m: count(100),
        cacheWrite1h: count(100),
        inputAudio: count(100),
        inputImage: count(100),
        output: count(1e5),
        reasoning: count(1e5),
        outputAudio: count(100)
      },
      estimated: source === "estimated" ? { input: count(1e5), output: count(1e5) } : undefined,
      cost: source === undefined ? undefined : isLarge ? 9_007_199_254_740_993n + BigInt(count(1e9)) : count(1e12),
      costSource: source,
      costAbsent: source === undefined && next() < 0.5 ? "model" : undefined
    }
  }
  return {
    requestId: `request-${number}`,
    atMs: 1_795_046_400_000 + Math.floor(next() * 5 * day),
    durationMs: count(60_000),
    alias: pick(next, ["fast", "nul \0 and half \ud800", "'; DROP TABLE breakwater_requests; --"], ""),
    stream: next() < 0.5,
    key: pick(next, ["alice", "bob", undefined], undefined),
    tags: pick(next, [[], ["team-a"], ["team-a", "blue"], ["blue", "blue"]], []),
    provider: next() < 0.2 ? undefined : "openai",
    model: next() < 0.2 ? undefined : "gpt-4.1",
    ended: pick(next, ["answered", "cancelled", "exhausted"] as const, "answered"),
    error: next() < 0.8 ? undefined : "RateLimited",
    attempts: Array.from({ length: count(4) }, (_, at) => attempt(at))
  }
}
