/** What the bench asks of its load driver and what it hears back: one candidate under one load for one short slice. */
import type { Mode } from "./Payload.ts"

export interface SliceOrder {
  readonly mode: Mode
  readonly connections: number
  /** Requests a second over all connections, at even distances; absent = each asks again as soon as it has its answer. */
  readonly perSecond?: number | undefined
  readonly port: number
  /** The candidate's process and the upstream's. */
  readonly pid: number
  readonly upstreamPid: number
  /** Load before the clock starts, in ms. */
  readonly warmupMs: number
  /** Length of the measured window, in ms. */
  readonly sliceMs: number
}

export interface SliceResult {
  /** Answers (json) or frames (paced, burst) that arrived inside the window. */
  readonly units: number
  /** CPU of the candidate inside the window, in ns, and the window's real length. */
  readonly cpuNanos: number
  readonly wallNanos: number
  /** Window on the system's monotonic clock, in µs: the clock of V8's CPU profiles. */
  readonly fromMicros: number
  readonly toMicros: number
  /** Share of one core that driver and upstream used; above 0.95 together they were the limit, not the candidate. */
  readonly driverBusy: number
  readonly upstreamBusy: number
  /** ms; time to the whole answer (json) or to the first frame (paced, burst). */
  readonly latencies: { readonly p50: number; readonly p99: number }
  readonly socketErrors: number
  /** Status other than 200, an answer that is no completion, a stream with missing frames. */
  readonly badAnswers: number
  /** The first thing that was wrong, for a human. */
  readonly complaint: string | undefined
}

export type DriverReply = { readonly result: SliceResult } | { readonly failure: string }
