/**
 * The monitoring value as server-sent events, once a second and made once for all who look. While the process drains it goes
 * on until the door closes, for that is when an operator looks; then it ends, so that an open page does not keep the process.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { Health } from "../gateway/Health.ts"
import { ServerOptions } from "./ServerSettings.ts"

/** Milliseconds from one event to the next, and after which a page that lost the connection comes again. */
const everyMs = 1000

/** Answers the same stream to everybody. */
export const make = Effect.gen(function*() {
  const health = yield* Health
  const { drain } = yield* ServerOptions
  const clock = yield* Effect.clockWith(Effect.succeed)
  let closesAtMs: number | undefined
  /** The drain was seen longer ago than the server stays open. */
  const isClosed = (): boolean => {
    if (!health.isDraining()) return false
    const nowMs = clock.currentTimeMillisUnsafe()
    closesAtMs ??= nowMs + drain.notReady
    return nowMs >= closesAtMs
  }
  // What was made for somebody else a moment ago is good enough; who leaves must not take it from the others.
  const latest = yield* health.monitoring.pipe(
    Effect.map(({ workers: _, ...value }) => `retry: ${everyMs}\ndata: ${JSON.stringify(value)}\n\n`),
    Effect.uninterruptible,
    Effect.cachedWithTTL(everyMs / 2)
  )
  const events = Stream.tick(everyMs).pipe(
    Stream.mapEffect(() => latest),
    Stream.takeUntil(isClosed),
    Stream.encodeText
  )
  return HttpServerResponse.stream(events, {
    contentType: "text/event-stream; charset=utf-8",
    headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
  })
})
