/** Step 6 of the flow, account: what a request came to, written into the ledger when it is over. Nothing where there is none. */
import * as Effect from "effect/Effect"
import { tokensOf } from "../accounting/Cost.ts"
import { Ledger } from "../accounting/Ledger.ts"
import type { LedgerAttempt, LedgerEntry } from "../domain/LedgerEntry.ts"
import { modelName } from "../observability/Redaction.ts"
import { aliasOf, type AttemptRecord, costOfAttempt, type Decision, endingOf } from "./Decision.ts"

const none: ReadonlyArray<string> = []

const attemptOf = (decision: Decision, record: AttemptRecord): LedgerAttempt => {
  const { endedAtMs, estimated, startedAtMs, usage } = record
  const cost = costOfAttempt(decision, record)
  const isKnown = cost !== undefined && "picoUsd" in cost
  const estimate = cost === undefined || isKnown ? undefined : cost.estimate
  return {
    provider: record.provider,
    model: modelName(record.model),
    outcome: record.outcome ?? "unfinished",
    atMs: startedAtMs,
    durationMs: endedAtMs === undefined ? undefined : endedAtMs - startedAtMs,
    tokens: usage === undefined ? undefined : tokensOf(usage),
    estimated: estimated === undefined
      ? undefined
      : { input: estimated.promptTokens, output: estimated.completionTokens },
    cost: isKnown ? cost.picoUsd : estimate,
    costSource: isKnown ? cost.source : estimate === undefined ? undefined : "estimated",
    costAbsent: cost === undefined || isKnown ? undefined : cost.absent
  }
}

/** A request that is over, as it is kept. */
const entryOf = (decision: Decision): LedgerEntry => {
  const { attempts, caller, endedAtMs = decision.startedAtMs, startedAtMs } = decision
  return {
    requestId: decision.requestId,
    atMs: startedAtMs,
    durationMs: endedAtMs - startedAtMs,
    alias: aliasOf(decision),
    stream: decision.stream,
    key: caller?.name,
    tags: caller?.tags ?? none,
    provider: decision.provider,
    model: decision.model === undefined ? undefined : modelName(decision.model),
    ended: endingOf(decision),
    error: decision.error,
    attempts: attempts.map((record) => attemptOf(decision, record))
  }
}

/** Writes a request that is over into the ledger that is there. */
export const make: Effect.Effect<(decision: Decision) => void> = Effect.map(
  Effect.serviceOption(Ledger),
  (found) => {
    if (found._tag === "None") return () => {}
    const { append } = found.value
    return (decision) => append(entryOf(decision))
  }
)
