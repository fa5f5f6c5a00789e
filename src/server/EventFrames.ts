/** A committed stream as the bytes of its events: what the caller sees of the end, clean or not, is decided here. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { errorFrame } from "../api/ErrorBody.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { describeCause, type EventLogShape, traceOf } from "../observability/Logger.ts"
import { type AnswerStream, ending, type Frame } from "../providers/Provider.ts"
import { answerHeaders, type Exchange, internalFailure } from "./Exchange.ts"
import type { OpenStream, OpenStreams } from "./OpenStreams.ts"
import type { Sink } from "./Sink.ts"

const done = new TextEncoder().encode("data: [DONE]\n\n")

type Bytes = readonly [Uint8Array, ...Array<Uint8Array>]

const isFilled = (bytes: Array<Uint8Array>): bytes is [Uint8Array, ...Array<Uint8Array>] => bytes.length > 0

const frameBytes = (frames: ReadonlyArray<Frame>): Bytes | undefined => {
  const out: Array<Uint8Array> = []
  for (const frame of frames) if (frame.bytes !== undefined) out.push(frame.bytes)
  return isFilled(out) ? out : undefined
}

const tellDefect = (cause: Cause.Cause<unknown>, exchange: Exchange, log: EventLogShape) =>
  Effect.withFiber<void>((fiber) => {
    log.event("error", fiber.getRef(Clock.Clock).currentTimeMillisUnsafe(), "A stream ended in a defect", {
      "event.name": "breakwater.stream.defect",
      "breakwater.request.id": exchange.requestId,
      ...traceOf(fiber.context),
      ...describeCause(cause)
    })
    return Effect.void
  })

/**
 * Writes what is there as soon as it is there, until `pull` has the end: without an effect for each event, which is half of what
 * an event costs. A caller who is full is waited for.
 */
const pushed = (
  { take }: AnswerStream,
  open: OpenStream,
  sink: Sink | undefined
): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let isStopped = false
    const stop = (outcome: Effect.Effect<void>): void => {
      isStopped = true
      resume(outcome)
    }
    const write = (frames: Bytes | undefined): boolean => {
      if (frames === undefined || sink === undefined) return true
      open.sent()
      return sink.write(frames)
    }
    /** True = there may be more. */
    const step = (): boolean => {
      const frames = take?.(awake)
      if (frames === undefined) open.waits()
      if (frames === ending) stop(Effect.void)
      if (frames === undefined || frames === ending) return false
      if (write(frameBytes(frames))) return true
      sink?.once("drain", awake)
      return false
    }
    const awake = (): void => {
      if (isStopped) return
      try {
        while (step());
      } catch (defect) {
        stop(Effect.die(defect))
      }
    }
    awake()
    return Effect.sync(() => {
      isStopped = true
    })
  })

/** The answer's frames as bytes, then `[DONE]` after a clean end, one error event after any other, nothing after an interrupt. */
export const encodeFrames = (
  answer: AnswerStream,
  open: OpenStream,
  exchange: Exchange,
  log: EventLogShape,
  sink?: Sink
): Pull.Pull<Bytes> => {
  let ended = false
  let isPushed = sink === undefined || answer.take === undefined
  const finish = (last: Uint8Array): Effect.Effect<Bytes> => {
    ended = true
    open.close()
    return Effect.succeed([last])
  }
  const next: Pull.Pull<Bytes> = Effect.suspend(() => {
    if (ended) return Cause.done()
    if (isPushed) {
      open.waits()
      return step
    }
    isPushed = true
    return Effect.matchCauseEffect(pushed(answer, open, sink), { onSuccess: () => next, onFailure: end })
  })
  const end = (cause: Cause.Cause<GatewayError | Cause.Done>): Pull.Pull<Bytes> => {
    if (Pull.isDoneCause(cause)) return finish(done)
    if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    const reason = failure !== undefined && failure._tag === "GatewayError" ? failure.reason : internalFailure
    exchange.decision.error = reason._tag
    const last = finish(errorFrame(reason))
    return reason === internalFailure ? Effect.andThen(tellDefect(cause, exchange, log), last) : last
  }
  // Made once, for it is run for every event.
  const step = Effect.matchCauseEffect(answer.pull, {
    onSuccess: (frames): Pull.Pull<Bytes> => {
      const bytes = frameBytes(frames)
      if (bytes === undefined) return next
      open.sent()
      return Effect.succeed(bytes)
    },
    onFailure: end
  })
  return next
}

const streamHeaders = (exchange: Exchange): Record<string, string> => {
  const headers = answerHeaders(exchange)
  headers["cache-control"] = "no-cache"
  headers["x-accel-buffering"] = "no"
  return headers
}

/** The stream as an answer whose head can leave. */
export const streamed = (
  stream: AnswerStream,
  exchange: Exchange,
  { log, streams }: { readonly log: EventLogShape; readonly streams: OpenStreams["Service"] },
  sink: Sink | undefined
) =>
  Effect.map(
    streams.open(stream),
    (open) =>
      HttpServerResponse.stream(Stream.fromPull(Effect.succeed(encodeFrames(stream, open, exchange, log, sink))), {
        contentType: "text/event-stream; charset=utf-8",
        headers: streamHeaders(exchange)
      })
  )
