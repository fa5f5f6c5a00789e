/**
 * The monitoring value as server-sent events, once a second and made once for all who look. It ends when the process drains, so
 * that an open page does not keep the process; who comes back while it drains is told once and ended again.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { Health } from "../gateway/Health.ts"

/** Milliseconds from one event to the next, and after which a page that lost the connection comes again. */
const everyMs = 1000

/** Answers the same stream to everybody. */
export const make = Effect.gen(function*() {
  const health = yield* Health
  // What was made for somebody else a moment ago is good enough; who leaves must not take it from the others.
  const latest = yield* health.monitoring.pipe(
    Effect.map(({ workers: _, ...value }) => `retry: ${everyMs}\ndata: ${JSON.stringify(value)}\n\n`),
    Effect.uninterruptible,
    Effect.cachedWithTTL(everyMs / 2)
  )
  const events = Stream.tick(everyMs).pipe(
    Stream.mapEffect(() => latest),
    Stream.takeUntil(() => health.isDraining()),
    Stream.encodeText
  )
  return HttpServerResponse.stream(events, {
    contentType: "text/event-stream; charset=utf-8",
    headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
  })
})
