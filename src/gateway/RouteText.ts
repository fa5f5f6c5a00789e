/** The routes of the file in words, as monitoring shows them and `explain` compares them with those of a running server. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Health } from "./Health.ts"
import { duration } from "./Plan.ts"
import { type RouteDescription, Routes } from "./Route.ts"

/** One alias and where it leads. */
export interface RouteText {
  readonly alias: string
  /** Such as `weighted: a/x 3, b/y 1; error; first token 10s, answer 60s, idle 20s, total 10m`. */
  readonly route: string
}

const textOf = ({ names, onInterrupted, prefill, strategy, targets, timeouts, weights }: RouteDescription): string => {
  const stops = targets.map((target, at) =>
    [
      names[at] ?? "",
      ...(strategy === "weighted" ? [String(weights[at] ?? 0)] : []),
      ...(prefill.has(target) ? ["(prefill)"] : [])
    ].join(" ")
  )
  const { answerMs, firstTokenMs, idleMs, totalMs } = timeouts
  const limits = `first token ${duration(firstTokenMs)}, answer ${duration(answerMs)}, idle ${
    duration(idleMs)
  }, total ${duration(totalMs)}`
  return `${strategy}: ${stops.join(", ")}; ${onInterrupted}; ${limits}`
}

/** Every alias of the file, in its order. */
export const routeTexts: Effect.Effect<ReadonlyArray<RouteText>, never, Routes> = Effect.flatMap(
  Routes,
  (routes) =>
    Effect.forEach(
      routes.aliases.keys(),
      // An alias is known to the routes that name it.
      (alias) => Effect.map(Effect.orDie(routes.describe(alias)), (route) => ({ alias, route: textOf(route) }))
    )
)

/** Has monitoring show them. */
export const layer: Layer.Layer<never, never, Health | Routes> = Layer.effectDiscard(
  Effect.flatMap(
    Health,
    (health) => Effect.map(routeTexts, (texts) => health.include({ components: () => [], routes: () => texts }))
  )
)
