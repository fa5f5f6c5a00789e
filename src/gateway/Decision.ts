/**
 * The record of one request: who was a candidate, who was skipped and why, what each attempt came to, who won. Filled by the
 * flow while it runs (a plain mutable record: it is on the hot path), read by the response headers and the canonical log line.
 */
import type { Usage } from "../domain/Usage.ts"

/** One try on one target. Times are milliseconds. */
export interface AttemptRecord {
  readonly target: string
  readonly startedAtMs: number
  endedAtMs?: number
  /** Tag of the reason it failed with, or `ok`. */
  outcome?: string
  /** How long the flow waited before this attempt. */
  readonly waitedMs: number
}

export interface Decision {
  readonly requestId: string
  /** What the caller put in `model`. */
  alias: string
  stream: boolean
  readonly attempts: Array<AttemptRecord>
  readonly skipped: Array<{ readonly target: string; readonly why: string }>
  /** The provider (its name in the file) and upstream model that answered. */
  provider?: string
  model?: string
  /** How often a broken stream was continued by another try. */
  resumed?: number
  /** Events of committed streams that could not be read and were passed over. */
  skippedEvents?: number
  /** Milliseconds from receipt to the first content event of a stream. */
  firstContentMs?: number
  usage?: Usage | undefined
  finishReasons?: ReadonlyArray<string> | undefined
  upstreamRequestId?: string | undefined
  /** Tag of the reason that ended the request, if it failed. */
  error?: string
}

export const make = (requestId: string): Decision => ({
  requestId,
  alias: "",
  stream: false,
  attempts: [],
  skipped: []
})
