/**
 * What a failure means for the flow: the one table from a reason to whether the same target is asked again, another one is
 * asked, and what the breaker hears. It knows tags, never a provider's wire.
 */
import { isUnsupported, type Reason } from "../domain/GatewayError.ts"

export interface Verdict {
  /** Ask this target again: never, after a short wait, or after a long one. */
  readonly retrySame: "no" | "transient" | "throttle"
  /** Whether another target could answer. */
  readonly failover: boolean
  /** What the target's breaker hears. `Throttled`: it told us to wait. `Ignored`: this says nothing about whether it works. */
  readonly breaker: "Failure" | "Throttled" | "Ignored"
  /**
   * Present where `retryAfterMs` binds everyone, so that the target is left alone until then: the milliseconds where nobody said
   * how long; 0 = only a pause that was asked for counts.
   */
  readonly cooldownMs?: number
}

/** The request itself, or our own last word: no target would answer it better. */
const final: Verdict = { retrySame: "no", failover: false, breaker: "Ignored" }
/** This target cannot or may not, but it is healthy. */
const elsewhere: Verdict = { retrySame: "no", failover: true, breaker: "Ignored" }
/** A blip: the next try may well pass. */
const blip: Verdict = { retrySame: "transient", failover: true, breaker: "Failure" }

const verdicts: { readonly [Tag in Reason["_tag"]]: Verdict } = {
  // What the caller did.
  InvalidRequest: final,
  Unauthorized: final,
  Forbidden: final,
  ModelNotFound: final,
  RouteNotFound: final,
  MethodNotAllowed: final,
  PayloadTooLarge: final,
  UnsupportedMediaType: final,
  // What the upstream said about this request. A filtered answer is an answer; failing over would shop for a laxer filter.
  UpstreamRefused: final,
  ContextLengthExceeded: final,
  ContentFiltered: final,
  // What the upstream said about itself or about our account with it. A busy account is not a broken target.
  RateLimited: { retrySame: "throttle", failover: true, breaker: "Throttled", cooldownMs: 0 },
  QuotaExhausted: { ...elsewhere, breaker: "Throttled", cooldownMs: 0 },
  CredentialRejected: elsewhere,
  UpstreamModelMissing: { ...elsewhere, cooldownMs: 60_000 },
  Overloaded: { ...blip, cooldownMs: 0 },
  UpstreamFailed: { ...blip, cooldownMs: 0 },
  // What happened on the way. A refused connection is refused again, and a silent target stays silent: do not wait twice.
  // Slow is only what was given up at a limit of ours, and who gave it up knows; a connect, a stall or its own word is a failure.
  UpstreamUnreachable: { retrySame: "no", failover: true, breaker: "Failure" },
  ConnectionReset: blip,
  UpstreamTimedOut: { retrySame: "no", failover: true, breaker: "Failure" },
  MalformedAnswer: blip,
  StreamInterrupted: blip,
  // What the caller's own key allows: no target would answer it better.
  CallerRateLimited: final,
  BudgetExhausted: final,
  AdmissionUnavailable: final,
  // What this gateway decided.
  CircuitOpen: elsewhere,
  QueueFull: elsewhere,
  LoadShed: final,
  DeadlineExceeded: final,
  Draining: final,
  InternalFailure: final
}

/** Where the status tells more than the tag: `Tag status` → verdict. */
const verdictsByStatus: ReadonlyMap<string, Verdict> = new Map([
  // A conflict, a misdirected or an early request: the edge's business, not the model's.
  ["UpstreamFailed 409", { ...blip, breaker: "Ignored" }],
  ["UpstreamFailed 421", { ...blip, breaker: "Ignored" }],
  ["UpstreamFailed 425", { ...blip, breaker: "Ignored" }],
  // No spare capacity for cheap traffic.
  ["Overloaded 498", { retrySame: "throttle", failover: true, breaker: "Throttled", cooldownMs: 0 }],
  // More tokens than this account may ever send at once; another's limit may be larger.
  ["ContextLengthExceeded 429", elsewhere]
])

/** The verdict on a failure that reached the flow before anything of the answer did. */
export const classify = (reason: Reason): Verdict => {
  const { _tag, upstreamStatus } = reason
  // Nothing was sent: this target's dialect has no words for it.
  if (isUnsupported(reason)) return elsewhere
  return verdictsByStatus.get(`${_tag} ${upstreamStatus}`) ?? verdicts[_tag]
}

/** Reasons that are one credential's and may not be another one's. */
export const isOfCredential = ({ _tag }: Reason): boolean =>
  _tag === "CredentialRejected" || _tag === "QuotaExhausted" || _tag === "RateLimited"
