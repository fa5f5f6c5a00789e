/** Hears the breakers of a gateway through the event that it logs for each transition. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type { Transition } from "./Report.ts"

const transitionEvent = "breakwater.breaker.transition"

const text = (value: unknown): string => typeof value === "string" ? value : ""

/** Hears the transitions of breakers, and keeps every other line to itself. */
const listener = (startedAtMs: number, heard: Array<Transition>) =>
  Logger.make(({ fiber }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    if (annotations["event.name"] !== transitionEvent) return
    heard.push({
      atMs: fiber.getRef(Clock.Clock).currentTimeMillisUnsafe() - startedAtMs,
      target: text(annotations["breakwater.target"]),
      from: text(annotations["from"]),
      to: text(annotations["to"]),
      cause: text(annotations["cause"])
    })
  })

/** Runs the effect with its transitions written to `transitions`; nothing of what it logs is shown. */
export const heard = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  startedAtMs: number,
  transitions: Array<Transition>
): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.provideService(Logger.CurrentLoggers, new Set([listener(startedAtMs, transitions)])),
    Effect.provideService(References.MinimumLogLevel, "Info")
  )
