/**
 * The commit gate: a stream is held until its first content event, so that the status stays honest and every failure before it
 * is invisible; from then on it is committed, and it never ends cleanly unless the provider ended cleanly.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import { carriesNothing } from "../domain/ChatAnswer.ts"
import {
  DeadlineExceeded,
  type GatewayError,
  gatewayError,
  InternalFailure,
  MalformedAnswer,
  UpstreamTimedOut
} from "../domain/GatewayError.ts"
import type { Usage } from "../domain/Usage.ts"
import { type AnswerStream, ending, type Frame } from "../providers/Provider.ts"
import type { Deadline } from "../resilience/Deadline.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import type * as Watchdog from "../resilience/Watchdog.ts"
import * as Pump from "./Pump.ts"

type Frames = readonly [Frame, ...Array<Frame>]

/** Nothing that keeps its word needs more events or bytes than this before its first content. */
const heldEvents = 64
const heldBytes = 256 * 1024
/** After its terminal event an upstream gets this long for usage and `[DONE]` before we finish without them. */
const tailMs = 1000

const noContent = (message: string) => gatewayError(new MalformedAnswer({ message }))

/** Nothing but `stop` was said, and nothing was counted: an answer of nothing, unless its totals tell otherwise. */
const isNothing = (held: ReadonlyArray<Frame>): boolean =>
  held.every(({ chunk, usage }) =>
    (usage?.completionTokens ?? 0) === 0 &&
    chunk.choices.every(({ delta, finish_reason }) => (finish_reason ?? "stop") === "stop" && carriesNothing(delta))
  )

const isContent = (frame: Frame): boolean => frame.isContent
const isTerminal = (frame: Frame): boolean => frame.isTerminal

/** The newest count of what was held in vain, and whether nothing was used after it; undefined where nothing was counted. */
export const countOf = (
  held: ReadonlyArray<Frame>
): { readonly usage: Usage; readonly isFinal: boolean } | undefined => {
  const at = held.findLastIndex(({ usage }) => usage !== undefined)
  const usage = held[at]?.usage
  return usage === undefined || usage.totalTokens === 0
    ? undefined
    : { usage, isFinal: held.slice(0, at + 1).some(isTerminal) }
}

/**
 * Pulls until the first content or terminal event and returns everything up to it. Comments never reach this point. A stream
 * that comes to its end with nothing in it fails like one that broke off, for there is nothing to lose by asking again.
 * What came is in `held`, also where it fails.
 */
export const hold = Effect.fnUntraced(function*(stream: AnswerStream, held: Array<Frame>) {
  let bytes = 0
  while (true) {
    const frames = yield* Pull.catchDone(
      stream.pull,
      () => Effect.fail(noContent("The upstream ended its stream before any content."))
    )
    held.push(...frames)
    for (const frame of frames) bytes += frame.bytes?.length ?? 0
    // `frames` is never empty, so neither is what was held.
    if (frames.some(isContent) || (frames.some(isTerminal) && !isNothing(held))) return held as unknown as Frames
    if (held.length > heldEvents || bytes > heldBytes) {
      return yield* Effect.fail(noContent("The upstream sent no content within its first 64 events or 256 KiB."))
    }
  }
})

export interface CommittedOptions {
  /** What the stream lives in; it is closed when the stream ends. */
  readonly scope: Scope.Scope
  readonly watchdog: Watchdog.Watchdog
  /** Longest silence between two events with content, in milliseconds. */
  readonly idleMs: number
  /** The end of the request. */
  readonly deadline: Deadline
  readonly onFrame: (frame: Frame) => void
  /** The deadline has passed and nobody has read the end within a second of it. Does nothing if the stream has ended. */
  readonly onOverdue: Effect.Effect<void>
  /** Heard once: undefined after a clean end, else why the stream broke. */
  readonly onEnd: (error: GatewayError | undefined) => Effect.Effect<void>
}

const defect = gatewayError(new InternalFailure({ message: "The stream ended in a defect of the gateway." }))

const silence = (idleMs: number, byDeadline: boolean): GatewayError =>
  gatewayError(
    byDeadline
      ? new DeadlineExceeded({ message: "The deadline of the request passed in the middle of the stream." })
      : new UpstreamTimedOut({ message: `The upstream sent nothing for ${idleMs} ms in the middle of its stream.` })
  )

/** The stream as the caller gets it: the held frames first, then the rest under the idle clock and the deadline. */
export const committed = Effect.fnUntraced(function*(held: Frames, stream: AnswerStream, options: CommittedOptions) {
  let first: Frames | undefined = held
  let terminal = false
  let ended = false
  /** The wait for what the upstream sends next is being measured. */
  let isWaiting = false
  /** What was put in between; it says nothing about the upstream. */
  let nudged: Frames | undefined
  const source = stream.stop === undefined || stream.nudge === undefined
    ? { ...yield* Pump.stoppable(stream.pull, options.scope), take: undefined }
    : { pull: stream.pull, take: stream.take, stop: stream.stop, nudge: stream.nudge }
  const fork = Effect.runForkWith(yield* Effect.context())
  const clock = yield* Effect.clockWith(Effect.succeed)
  /** A caller who does not read asks for nothing, so nobody would hear of the end. */
  const overdue: Watchdog.Watched = { atMs: 0, onDue: () => void fork(options.onOverdue) }
  const watch = yield* Pump.watch({
    watchdog: options.watchdog,
    scope: options.scope,
    idleMs: options.idleMs,
    deadlineMs: options.deadline.atMs,
    onSilence: (byDeadline) => {
      source.stop(silence(options.idleMs, byDeadline))
      if (!byDeadline) return
      overdue.atMs = monotonicMillisUnsafe(clock) + tailMs
      options.watchdog.watch(overdue)
    }
  })
  yield* Scope.addFinalizer(options.scope, Effect.sync(() => options.watchdog.callOff(overdue)))

  const observe = (frames: Frames): Frames => {
    if (frames === nudged) return frames
    nudged = undefined
    isWaiting = false
    const before = terminal
    let isFed = false
    for (const frame of frames) {
      terminal ||= frame.isTerminal
      isFed ||= frame.isContent || frame.isTerminal
      options.onFrame(frame)
    }
    if (isFed) watch.end()
    else watch.pause()
    if (terminal && !before) watch.shorten(tailMs)
    return frames
  }
  const wait = (): void => {
    if (!isWaiting) watch.begin()
    isWaiting = true
  }

  const end = (cause: Cause.Cause<GatewayError | Cause.Done>): Pull.Pull<never, GatewayError> => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    ended = true
    const failure = cause.reasons.find(Cause.isFailReason)?.error ?? defect
    // What is complete in itself ends cleanly, though its upstream forgot to close.
    const isClean = Cause.isDone(failure) || (terminal && failure !== defect)
    const error = isClean || Cause.isDone(failure) ? undefined : failure
    return Effect.andThen(options.onEnd(error), isClean ? Cause.done() : Effect.failCause(cause))
  }

  const next = Effect.matchCauseEffect(source.pull, {
    onSuccess: (frames) => Effect.succeed(observe(frames)),
    onFailure: end
  })
  const begin = (frames: Frames): Frames => {
    first = undefined
    return observe(frames)
  }
  const pull = Effect.suspend((): Pull.Pull<Frames, GatewayError> => {
    if (first !== undefined) return Effect.succeed(begin(first))
    if (ended) return Cause.done()
    wait()
    return next
  })
  const { take } = source
  const taken: AnswerStream["take"] = take === undefined ? undefined : (wake) => {
    if (first !== undefined) return begin(first)
    const frames = ended ? ending : take(wake)
    if (frames === undefined) wait()
    return frames === undefined || frames === ending ? frames : observe(frames)
  }
  const nudge = (frames: Frames): void => {
    if (ended) return
    nudged = frames
    source.nudge(frames)
  }
  return {
    pull,
    take: taken,
    stop: source.stop,
    nudge,
    upstreamRequestId: stream.upstreamRequestId
  } satisfies AnswerStream
})
