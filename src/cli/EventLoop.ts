/** How late the event loop of this process is, told once a second; the one place that asks Node for it. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { monitorEventLoopDelay } from "node:perf_hooks"

/** How often the loop is asked, in milliseconds. Node's figures contain it, for it measures from one tick to the next. */
const resolutionMs = 20

const lookEveryMs = 1000

/** Tells the 99th percentile of the last second's lateness, in milliseconds, until the scope closes. */
export const watch = (onLook: (lagMs: number) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const histogram = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = monitorEventLoopDelay({ resolution: resolutionMs })
        started.enable()
        return started
      }),
      (started) => Effect.sync(() => void started.disable())
    )
    const look = Effect.sync(() => {
      onLook(Math.max(0, histogram.percentile(99) / 1e6 - resolutionMs))
      histogram.reset()
    })
    yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(lookEveryMs)))
  })
