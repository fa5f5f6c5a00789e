/** Every state of a small breaker that eight events can reach, each left by every event: the laws hold on all of these steps. */
import { describe, expect, it } from "@effect/vitest"
import type { Event, Step } from "../../src/resilience/BreakerMachine.ts"
import { step } from "../../src/resilience/BreakerMachine.ts"
import type { BreakerSettings, Outcome, Permit, State } from "../../src/resilience/BreakerState.ts"
import { initial, nameOf } from "../../src/resilience/BreakerState.ts"

const settings: BreakerSettings = {
  windowMs: 100,
  minimumCalls: 3,
  failureRate: 0.5,
  slowRate: 0.8,
  consecutiveFailures: 2,
  openForMs: 40,
  openMaxMs: 80,
  leaseMs: 60
}
const depth = 8

/** A reachable situation: the state, the hour, the permits still out, and what was reported since the generation began. */
interface Situation {
  readonly state: State
  readonly nowMs: number
  readonly permits: ReadonlyArray<Permit>
  readonly samples: number
  readonly failuresInRow: number
}

interface Edge {
  readonly before: Situation
  readonly event: Event
  readonly after: Situation
  readonly done: Step
}

const outcomes: ReadonlyArray<Outcome> = [
  { _tag: "Success" },
  { _tag: "Failure" },
  { _tag: "Slow" },
  { _tag: "Ignored" }
]

const eventsOf = ({ nowMs, permits }: Situation): ReadonlyArray<Event> => [
  { _tag: "Admit", nowMs, jitter: 0 },
  { _tag: "LastResort", nowMs, jitter: 0 },
  { _tag: "Tick", nowMs: nowMs + 25, jitter: 0.5 },
  { _tag: "Tick", nowMs: nowMs + 70, jitter: 0.5 },
  ...[...new Set([permits[0], permits.at(-1)])].flatMap((permit) =>
    permit === undefined
      ? []
      : outcomes.map((outcome): Event => ({ _tag: "Record", nowMs, jitter: 0.5, permit, outcome }))
  ),
  { _tag: "Control", nowMs, jitter: 0, command: { _tag: "Reset" } },
  { _tag: "Control", nowMs, jitter: 0, command: { _tag: "ForceOpen", ttlMs: 50 } },
  { _tag: "Control", nowMs, jitter: 0, command: { _tag: "MetricsOnly" } }
]

const take = (before: Situation, event: Event): Edge => {
  const done = step(settings, before.state, event)
  const isFresh = done.state.generation !== before.state.generation
  const counted = event._tag === "Record" && event.permit.generation === before.state.generation &&
      event.outcome._tag !== "Ignored"
    ? event.outcome._tag
    : undefined
  const failed = counted === "Failure" ? before.failuresInRow + 1 : before.failuresInRow
  return {
    before,
    event,
    done,
    after: {
      state: done.state,
      nowMs: event.nowMs,
      // A recorded permit stays out once more: streams report twice.
      permits: done.decision?._tag === "Permit" ? [...before.permits.slice(-2), done.decision] : before.permits,
      samples: isFresh ? 0 : before.samples + (counted === undefined ? 0 : 1),
      failuresInRow: isFresh || counted === "Success" ? 0 : failed
    }
  }
}

/** Situations that differ only in the hour and the number of the generation behave alike. */
const keyOf = ({ nowMs, permits, ...rest }: Situation): string => {
  const { generation } = rest.state
  return JSON.stringify([rest, permits], (key, value: unknown) => {
    if (typeof value !== "number") return value
    if (key === "generation") return generation - value > 2 ? 3 : generation - value
    if (key === "startMs" || key === "untilMs" || key === "sinceMs") return Math.max(-300, value - nowMs)
    if (key === "lastSuccessMs" || key === "lastResortMs") return Math.max(-200, value - nowMs)
    return Number.isFinite(value) ? value : String(value)
  })
}

const explore = (): ReadonlyArray<Edge> => {
  const edges: Array<Edge> = []
  const seen = new Set<string>()
  let frontier: Array<Situation> = [{ state: initial(0), nowMs: 0, permits: [], samples: 0, failuresInRow: 0 }]
  for (let round = 0; round < depth; round++) {
    const next: Array<Situation> = []
    for (const situation of frontier) {
      for (const event of eventsOf(situation)) {
        const edge = take(situation, event)
        edges.push(edge)
        const key = keyOf(edge.after)
        if (!seen.has(key)) {
          seen.add(key)
          next.push(edge.after)
        }
      }
    }
    frontier = next
  }
  return edges
}

const edges = explore()

/** The first step that breaks a law, readable; undefined when none does. */
const breach = (holds: (edge: Edge) => boolean) => {
  const found = edges.find((edge) => !holds(edge))
  return found && { before: found.before, event: found.event, done: found.done }
}

const tick = (state: State, nowMs: number) => step(settings, state, { _tag: "Tick", nowMs, jitter: 0.5 })

const legal: Readonly<Record<string, ReadonlyArray<string>>> = {
  "failure-rate": ["closed>open"],
  "slow-rate": ["closed>open"],
  "consecutive-failures": ["closed>open"],
  "open-elapsed": ["open>half-open"],
  "last-resort": ["open>half-open"],
  "probe-succeeded": ["half-open>closed"],
  "probe-failed": ["half-open>open"],
  "lease-expired": ["half-open>open"],
  "ttl-elapsed": ["forced-open>closed", "forced-closed>closed", "metrics-only>closed"]
}

const numbersOf = (value: unknown): ReadonlyArray<[string, number]> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => typeof inner === "number" ? [[key, inner]] : numbersOf(inner))

describe("the breaker's laws, on every reachable step", () => {
  it("saw every cause and every state", () => {
    const causes = new Set(edges.flatMap(({ done }) => done.transitions.map(({ cause }) => cause)))
    expect([...causes].toSorted()).toEqual([...Object.keys(legal), "control"].toSorted())
    expect(edges.length).toBeGreaterThan(50_000)
  })

  it("a rate never trips it below the minimum of calls", () => {
    expect(
      breach(({ before, done }) =>
        !done.transitions.some(({ cause }) => cause === "failure-rate" || cause === "slow-rate") ||
        before.samples + 1 >= settings.minimumCalls
      )
    ).toBeUndefined()
  })

  it("failures in a row trip it only after that many, and with no success in the window", () => {
    expect(breach(({ before, done }) =>
      !done.transitions.some(({ cause }) => cause === "consecutive-failures") ||
      before.failuresInRow + 1 >= settings.consecutiveFailures && before.state._tag === "Closed" &&
        before.nowMs - before.state.window.lastSuccessMs >= settings.windowMs
    )).toBeUndefined()
  })

  it("what happened before it closed does not trip it again", () => {
    expect(breach(({ after, done }) =>
      done.transitions.at(-1)?.to !== "closed" || after.state._tag === "Closed" &&
        after.state.window.calls + after.state.window.previousCalls + after.state.window.consecutiveFailures === 0
    )).toBeUndefined()
  })

  it("never more live leases than its stage", () => {
    expect(breach(({ after }) => after.state._tag !== "HalfOpen" || after.state.leases.length <= after.state.stage))
      .toBeUndefined()
  })

  it("a permit of an older generation changes nothing", () => {
    const stale = edges.filter(({ before, event }) =>
      event._tag === "Record" && event.permit.generation !== before.state.generation
    )
    expect(stale.length).toBeGreaterThan(1000)
    for (const { before, done, event } of stale) {
      expect(done.state).toEqual(step(settings, before.state, { ...event, _tag: "Tick" }).state)
    }
  })

  it("an ignored call changes no state but the slot it frees", () => {
    const ignored = edges.filter(({ event }) => event._tag === "Record" && event.outcome._tag === "Ignored")
    expect(ignored.length).toBeGreaterThan(1000)
    for (const { before, done, event } of ignored) {
      const lapsed = step(settings, before.state, { ...event, _tag: "Tick" })
      expect(done.transitions).toEqual(lapsed.transitions)
      expect({ ...done.state, leases: [] }).toEqual({ ...lapsed.state, leases: [] })
    }
  })

  it("an open circuit admits nobody early but a last resort", () => {
    expect(
      breach(({ before, done, event }) =>
        event._tag !== "Admit" || before.state._tag !== "Open" || event.nowMs >= before.state.untilMs ||
        done.decision?._tag === "Rejection"
      )
    ).toBeUndefined()
  })

  it("last resorts of one run of openings are an openFor apart", () => {
    expect(
      breach(({ before, done, event }) =>
        !done.transitions.some(({ cause }) => cause === "last-resort") || before.state._tag !== "Open" ||
        event.nowMs - before.state.lastResortMs >= settings.openForMs
      )
    ).toBeUndefined()
  })

  it("a half-open circuit has a free slot or leaves within a lease", () => {
    expect(breach(({ after }) =>
      after.state._tag !== "HalfOpen" || after.state.leases.length < after.state.stage ||
      tick(after.state, after.nowMs + settings.leaseMs).state._tag !== "HalfOpen"
    )).toBeUndefined()
  })

  it("forces end only by command or by their time", () => {
    expect(breach(({ before, done }) =>
      before.state._tag !== "Forced" || done.transitions.length === 0 ||
      ["control", "ttl-elapsed"].includes(done.transitions[0]?.cause ?? "")
    )).toBeUndefined()
  })

  it("a forced-open circuit admits nobody, not even a last resort", () => {
    expect(breach(({ after, done }) => nameOf(after.state) !== "forced-open" || done.decision?._tag !== "Permit"))
      .toBeUndefined()
  })

  it("counts are never negative and nothing is NaN", () => {
    expect(
      breach(({ done }) =>
        numbersOf(done).every(([key, value]) => !Number.isNaN(value) && (value >= 0 || key.endsWith("Ms")))
      )
    ).toBeUndefined()
  })

  it("transitions are legal and join what was to what is", () => {
    expect(breach(({ after, before, done }) => {
      const names = [nameOf(before.state), ...done.transitions.map(({ to }) => to)]
      return names.at(-1) === nameOf(after.state) &&
        done.transitions.every((transition, index) =>
          transition.from === names[index] && (transition.cause === "control" ||
            legal[transition.cause]?.includes(`${transition.from}>${transition.to}`) === true)
        )
    })).toBeUndefined()
  })

  it("the generation grows with every transition and only then", () => {
    expect(
      breach(({ after, before, done }) => after.state.generation - before.state.generation === done.transitions.length)
    ).toBeUndefined()
  })

  it("every refusal names a bounded wait", () => {
    expect(breach(({ done }) =>
      done.decision?._tag !== "Rejection" ||
      done.decision.retryAfterMs >= 0 && done.decision.retryAfterMs <= settings.openMaxMs
    )).toBeUndefined()
  })

  it("a clock set back lengthens no wait", () => {
    expect(breach(({ after }) => {
      const back = step(settings, after.state, { _tag: "Admit", nowMs: after.nowMs - 10_000, jitter: 0 })
      // A probe that is lost, then a whole opening.
      const later = step(settings, back.state, {
        _tag: "Admit",
        nowMs: after.nowMs - 10_000 + settings.leaseMs + settings.openMaxMs,
        jitter: 0
      })
      return back.transitions.length === 0 && later.decision?._tag === "Permit"
    })).toBeUndefined()
  })
})
