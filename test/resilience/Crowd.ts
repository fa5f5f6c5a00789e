/**
 * Callers who come at random and wait for nobody, a limit that learns, and an upstream that refuses what is too much: the law of
 * the limit alone, moment by moment in virtual time, the same in every run of a seed.
 */
import { initial, lawOf, type LimitSignal, type LimitState, step } from "../../src/resilience/AdaptiveLimit.ts"
import { makeRandom } from "../providers/Seeded.ts"

export interface CrowdSettings {
  readonly seed: number
  /** Callers a second. */
  readonly perSecond: number
  /** An answer takes so long, half of it at random, in milliseconds. */
  readonly serviceMs: number
  /** What the upstream bears at once, all gateways together, `atMs` after the start. */
  readonly capacity: (atMs: number) => number
  readonly durationMs: number
  /** Gateways that share the callers and the upstream and know nothing of each other; default 1. */
  readonly gateways?: number
}

export interface Served {
  readonly atMs: number
  readonly gateway: number
  /** An answer, or the upstream's 429. */
  readonly isAnswer: boolean
}

/** A refusal takes this long. */
const refusalMs = 3

interface Gateway {
  state: LimitState
  inFlight: number
  waiting: number
}

type Event = { readonly atMs: number; readonly run: () => void }

/** Everything the upstream was asked, in the order of its ends. */
export const crowd = (settings: CrowdSettings): ReadonlyArray<Served> => {
  const random = makeRandom(settings.seed)
  const law = lawOf({ min: 1, max: 256 })
  const gateways: ReadonlyArray<Gateway> = Array.from(
    { length: settings.gateways ?? 1 },
    () => ({ state: initial(law), inFlight: 0, waiting: 0 })
  )
  const served: Array<Served> = []
  const events: Array<Event> = []
  let nowMs = 0
  let busy = 0
  const later = (inMs: number, run: () => void): void => {
    const atMs = nowMs + inMs
    const place = events.findLastIndex((event) => event.atMs <= atMs) + 1
    events.splice(place, 0, { atMs, run })
  }
  const fill = (one: Gateway): void => {
    while (one.waiting > 0 && one.inFlight < one.state.limit) {
      one.waiting--
      send(one)
    }
  }
  const end = (one: Gateway, tag: LimitSignal["_tag"], sentAtMs: number): void => {
    served.push({ atMs: nowMs, gateway: gateways.indexOf(one), isAnswer: tag === "Success" })
    one.state = step(law, one.state, { _tag: tag, inFlight: one.inFlight, nowMs, sentAtMs })
    one.inFlight--
    fill(one)
  }
  const send = (one: Gateway): void => {
    const sentAtMs = nowMs
    one.inFlight++
    if (busy >= settings.capacity(nowMs)) return later(refusalMs, () => end(one, "Overload", sentAtMs))
    busy++
    later(settings.serviceMs * (0.75 + random() / 2), () => {
      busy--
      end(one, "Success", sentAtMs)
    })
  }
  const arrive = (): void => {
    const one = gateways[Math.floor(random() * gateways.length)]
    if (one !== undefined && one.waiting < Math.ceil(one.state.limit / 2)) one.waiting++
    if (one !== undefined) fill(one)
    later(-Math.log(1 - random()) * 1000 / settings.perSecond, arrive)
  }
  arrive()
  for (let next = events.shift(); next !== undefined && next.atMs < settings.durationMs; next = events.shift()) {
    nowMs = next.atMs
    next.run()
  }
  return served
}
