/** How late the event loop of this process is, told once a second; the one place that asks Node for it. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import type { LoopLook } from "../admission/Shedding.ts"

/** How often the loop is asked, in milliseconds. Node's figures contain it, for it measures from one tick to the next. */
const resolutionMs = 20

const lookEveryMs = 1000

/** Tells how late and how busy the loop was in the last second, until the scope closes. */
export const watch = (onLook: (look: LoopLook) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const histogram = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = monitorEventLoopDelay({ resolution: resolutionMs })
        started.enable()
        return started
      }),
      (started) => Effect.sync(() => void started.disable())
    )
    let before = performance.eventLoopUtilization()
    const look = Effect.sync(() => {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, before)
      before = now
      onLook({ lagMs: Math.max(0, histogram.percentile(99) / 1e6 - resolutionMs), utilization })
      histogram.reset()
    })
    yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(lookEveryMs)))
  })
