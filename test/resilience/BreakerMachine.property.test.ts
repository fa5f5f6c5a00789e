/**
 * The laws of a small breaker, held against every step of every sequence of events to a bounded depth (sequences that meet in
 * one situation go on as one) and against long random ones. `BREAKWATER_FULL=1` makes a million
 * of the latter and says how much was seen.
 */
import { beforeAll, describe, expect, it } from "@effect/vitest"
import type { Event, Step } from "../../src/resilience/BreakerMachine.ts"
import { step, wouldAdmit } from "../../src/resilience/BreakerMachine.ts"
import type { BreakerSettings, Outcome, Permit, State } from "../../src/resilience/BreakerState.ts"
import { initial, nameOf } from "../../src/resilience/BreakerState.ts"
import { add, empty } from "../../src/resilience/SlidingWindow.ts"

const settings: BreakerSettings = {
  windowMs: 100,
  minimumCalls: 3,
  failureRate: 0.5,
  slowRate: 0.8,
  consecutiveFailures: 2,
  openForMs: 20,
  openMaxMs: 80,
  leaseMs: 60
}
/** Of a last resort here. */
const longestLeaseMs = 110
const isFull = process.env["BREAKWATER_FULL"] === "1"
const depth = 8
const randomSequences = isFull ? 1_000_000 : 20_000
const randomLength = 30

/** A permit that may be reported, and whether it has been. */
interface Held {
  readonly permit: Permit
  readonly isBack: boolean
}

/** A reachable situation: the state, the hour, the permits still out, and what was reported since the generation began. */
interface Situation {
  readonly state: State
  readonly nowMs: number
  readonly permits: ReadonlyArray<Held>
  /** Calls of this generation that were sent and never reported. */
  readonly outstanding: number
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
  { _tag: "Throttled" },
  { _tag: "Ignored" }
]

type Letter = (situation: Situation) => Event | undefined

/** A report on the oldest permit that is held, or on the newest where that is another one. */
const report = (which: "oldest" | "newest", outcome: Outcome): Letter => ({ nowMs, permits }) => {
  const held = which === "oldest" ? permits[0] : permits.length > 1 ? permits.at(-1) : undefined
  return held && { _tag: "Record", nowMs, jitter: 0.5, permit: held.permit, outcome, isLate: held.isBack }
}

/** All that may happen next; undefined where there is nothing to report. */
const alphabet: ReadonlyArray<Letter> = [
  ({ nowMs }) => ({ _tag: "Admit", nowMs, jitter: 0 }),
  ({ nowMs }) => ({ _tag: "LastResort", nowMs, jitter: 0, leaseMs: longestLeaseMs }),
  ({ nowMs }) => ({ _tag: "Tick", nowMs: nowMs + 25, jitter: 0.5 }),
  ({ nowMs }) => ({ _tag: "Tick", nowMs: nowMs + 70, jitter: 0.5 }),
  ...outcomes.flatMap((outcome) => [report("oldest", outcome), report("newest", outcome)]),
  ({ nowMs }) => ({ _tag: "Control", nowMs, jitter: 0, command: { _tag: "Reset" } }),
  ({ nowMs }) => ({ _tag: "Control", nowMs, jitter: 0, command: { _tag: "ForceOpen", ttlMs: 50 } }),
  ({ nowMs }) => ({ _tag: "Control", nowMs, jitter: 0, command: { _tag: "MetricsOnly" } })
]

/** What is out after this event: one more by an admission, one less by a first report, nothing of an older generation. */
const outstandingAfter = (before: Situation, event: Event, done: Step): number => {
  const left = done.state.generation === before.state.generation ? before.outstanding : 0
  if (done.decision?._tag === "Permit") return left + 1
  const isFirst = event._tag === "Record" && event.isLate !== true && event.permit.generation === done.state.generation
  return isFirst ? left - 1 : left
}

const heldAfter = ({ permits }: Situation, event: Event, { decision }: Step): ReadonlyArray<Held> => {
  if (decision?._tag === "Permit") return [...permits.slice(-2), { permit: decision, isBack: false }]
  // A permit stays out once more: streams report twice.
  return event._tag === "Record"
    ? permits.map((held) => held.permit === event.permit ? { permit: held.permit, isBack: true } : held)
    : permits
}

const take = (before: Situation, event: Event): Edge => {
  const done = step(settings, before.state, event)
  const isFresh = done.state.generation !== before.state.generation
  const counted = event._tag === "Record" && event.permit.generation === before.state.generation &&
      event.outcome._tag !== "Ignored" && event.outcome._tag !== "Throttled"
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
      permits: heldAfter(before, event, done),
      outstanding: outstandingAfter(before, event, done),
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
    if (key === "lastSuccessMs") return Math.max(-200, value - nowMs)
    return Number.isFinite(value) ? value : String(value)
  })
}

/** A repeatable sequence of numbers in [0, 1). */
const dice = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

const start: Situation = { state: initial(0), nowMs: 0, permits: [], outstanding: 0, samples: 0, failuresInRow: 0 }

/** How many sequences of exactly `depth` events there are, over the graph of situations: each row holds where its events lead. */
const sequencesOf = (rows: ReadonlyArray<ReadonlyArray<number>>): number => {
  let ways = new Map([[0, 1]])
  for (let length = 0; length < depth; length++) {
    const next = new Map<number, number>()
    for (const [from, count] of ways) {
      for (const to of rows[from] ?? []) next.set(to, (next.get(to) ?? 0) + count)
    }
    ways = next
  }
  return [...ways.values()].reduce((sum, count) => sum + count, 0)
}

/** Every sequence; those that come to the same situation go on as one, from where it was reached first. */
const explore = (see: (edge: Edge) => void): number => {
  const ids = new Map([[keyOf(start), 0]])
  const rows: Array<ReadonlyArray<number>> = []
  let frontier = [start]
  for (let length = 0; length < depth; length++) {
    const next: Array<Situation> = []
    for (const situation of frontier) {
      const row: Array<number> = []
      for (const letter of alphabet) {
        const event = letter(situation)
        if (event === undefined) continue
        const edge = take(situation, event)
        see(edge)
        const key = keyOf(edge.after)
        const id = ids.get(key) ?? ids.size
        if (id === ids.size) {
          ids.set(key, id)
          next.push(edge.after)
        }
        row.push(id)
      }
      // In the order of their ids, which is the order of the frontiers.
      rows.push(row)
    }
    frontier = next
  }
  return sequencesOf(rows)
}

/** Sequences of random events, with time that goes by in odd amounts and sometimes back. */
const wander = (see: (edge: Edge) => void): number => {
  const next = dice(7)
  for (let sequence = 0; sequence < randomSequences; sequence++) {
    let situation = start
    for (let length = 0; length < randomLength;) {
      const event = alphabet[Math.floor(next() * alphabet.length)]?.(situation)
      if (event === undefined) continue
      const nowMs = event.nowMs + Math.floor(next() * 12) - (next() < 0.02 ? 200 : 0)
      const edge = take(situation, { ...event, nowMs, jitter: next() })
      see(edge)
      situation = edge.after
      length += 1
    }
  }
  return randomSequences
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

const isSound = (value: unknown, key = ""): boolean => {
  if (typeof value === "number") return !Number.isNaN(value) && (value >= 0 || key.endsWith("Ms"))
  if (typeof value !== "object" || value === null) return true
  for (const name in value) if (!isSound(Reflect.get(value, name), name)) return false
  return true
}

const says = ({ done }: Edge, ...causes: ReadonlyArray<string>): boolean =>
  done.transitions.some(({ cause }) => causes.includes(cause))

const isStale = ({ before, event }: Edge): boolean =>
  event._tag === "Record" && event.permit.generation !== before.state.generation

const changesNoRate = ({ event }: Edge): boolean =>
  event._tag === "Record" && (event.outcome._tag === "Ignored" || event.outcome._tag === "Throttled")

const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right)

/** What a window knows of calls that came back in its running slot. */
const returned = ({ calls, consecutiveFailures, failures, lastSuccessMs, slow }: ReturnType<typeof empty>) => ({
  calls,
  failures,
  slow,
  consecutiveFailures,
  lastSuccessMs
})

/** A state without what is under way, as seen at `nowMs`. */
const verdictsOf = (state: State, nowMs: number): unknown => {
  if (state._tag === "HalfOpen") return { ...state, leases: [] }
  if (state._tag !== "Closed") return state
  // As if one more call had come back, which rolls it to the hour.
  const window = add(state.window, "Slow", nowMs, settings.windowMs)
  return { ...state, window: { ...window.slot, ...returned(window), previousBegun: 0 } }
}

/** Each holds on every step, from whatever was before. */
const laws: Readonly<Record<string, (edge: Edge) => boolean>> = {
  "a rate never trips it below the minimum of calls": (edge) =>
    !says(edge, "failure-rate", "slow-rate") || edge.before.samples + 1 >= settings.minimumCalls,

  "failures in a row trip it only after that many; where a success is in the window, after the minimum of calls": (
    edge
  ) => {
    const { before: { failuresInRow, state }, event } = edge
    return !says(edge, "consecutive-failures") ||
      state._tag === "Closed" &&
        failuresInRow + 1 >= (event.nowMs - state.window.lastSuccessMs >= settings.windowMs
            ? settings.consecutiveFailures
            : settings.minimumCalls)
  },

  "failures in a row do not trip it while more calls than that are out": (edge) => {
    const { before: { failuresInRow, outstanding }, event } = edge
    const stillOut = event._tag === "Record" && event.isLate !== true ? outstanding - 1 : outstanding
    return !says(edge, "consecutive-failures") || failuresInRow + 1 >= stillOut
  },

  "a rate trips it only where so many of the calls that were sent have failed or were slow": (edge) => {
    const { before: { state }, event } = edge
    if (!says(edge, "failure-rate", "slow-rate") || state._tag !== "Closed" || event._tag !== "Record") return true
    // With all calls in one slot the shares are exact.
    const { begun, slot: { previousBegun, previousCalls, startMs }, calls, failures, slow } = state.window
    if (previousBegun + previousCalls > 0 || event.nowMs >= startMs + settings.windowMs) return true
    const failed = failures + (event.outcome._tag === "Failure" ? 1 : 0)
    const late = slow + (event.outcome._tag === "Slow" ? 1 : 0)
    // A late failure takes the place of its sample.
    const isCounted = event.isLate === true && event.outcome._tag === "Failure" && failures < calls
    const all = Math.max(isCounted ? calls : calls + 1, begun)
    return failed >= settings.failureRate * all || late >= settings.slowRate * all
  },

  "a closed circuit counts exactly the calls that are out": ({ after: { outstanding, state } }) =>
    state._tag !== "Closed" || state.window.outstanding === outstanding,

  "what happened before it closed does not trip it again": ({ after, done }) =>
    done.transitions.at(-1)?.to !== "closed" || after.state._tag === "Closed" &&
      same(returned(after.state.window), returned(empty(0))) && after.state.window.slot.previousCalls === 0,

  "never more live leases than its stage": ({ after: { state } }) =>
    state._tag !== "HalfOpen" || state.leases.length <= state.stage,

  "the stage is one, two, four by its successes, which are fewer than it needs": ({ after: { state } }) =>
    state._tag !== "HalfOpen" ||
    state.stage === [1, 2, 4][state.successes] && state.successes < state.successesToClose,

  "it closes with the last success that it needs, three or after little traffic one": (edge) => {
    const { before: { state }, event } = edge
    return !says(edge, "probe-succeeded") ||
      state._tag === "HalfOpen" && state.successes + 1 === state.successesToClose &&
        event._tag === "Record" && event.outcome._tag === "Success" && [1, 3].includes(state.successesToClose)
  },

  "it needs three successes only where it was opened by many calls": ({ after: { state }, before, done }) =>
    done.transitions.at(-1)?.from !== "closed" || state._tag !== "Open" ||
    state.successesToClose === 1 || before.samples + 1 >= settings.minimumCalls,

  "a permit of an older generation changes nothing": (edge) =>
    !isStale(edge) || same(edge.done.state, step(settings, edge.before.state, { ...edge.event, _tag: "Tick" }).state),

  "an ignored or throttled call changes no state but the slot it frees and the count of what is out": (edge) => {
    if (!changesNoRate(edge)) return true
    const lapsed = step(settings, edge.before.state, { ...edge.event, _tag: "Tick" })
    return same(edge.done.transitions, lapsed.transitions) &&
      same(verdictsOf(edge.done.state, edge.event.nowMs), verdictsOf(lapsed.state, edge.event.nowMs))
  },

  "what it would do is what it does": ({ before: { state }, done, event }) =>
    event._tag !== "Admit" || wouldAdmit(settings, state, event.nowMs) === (done.decision?._tag === "Permit") ||
    done.transitions[0]?.cause === "lease-expired",

  "an open circuit admits nobody early but a last resort": ({ before: { state }, done, event }) =>
    event._tag !== "Admit" || state._tag !== "Open" || event.nowMs >= state.untilMs ||
    done.decision?._tag === "Rejection",

  "a last resort comes an openFor after the opening at the earliest": (edge) =>
    !says(edge, "last-resort") || edge.before.state._tag !== "Open" ||
    edge.event.nowMs - (edge.before.state.untilMs - edge.before.state.openMs) >= settings.openForMs,

  "a half-open circuit has a free slot or leaves within a lease": ({ after: { nowMs, state } }) =>
    state._tag !== "HalfOpen" || state.leases.length < state.stage ||
    tick(state, nowMs + longestLeaseMs).state._tag !== "HalfOpen",

  "forces end only by command or by their time": ({ before, done }) =>
    before.state._tag !== "Forced" || done.transitions.length === 0 ||
    ["control", "ttl-elapsed"].includes(done.transitions[0]?.cause ?? ""),

  "a forced-open circuit admits nobody, not even a last resort": ({ after, done }) =>
    nameOf(after.state) !== "forced-open" || done.decision?._tag !== "Permit",

  "counts are never negative and nothing is NaN": ({ done }) => isSound(done),

  "transitions are legal and join what was to what is": ({ after, before, done }) => {
    let name: string = nameOf(before.state)
    for (const { cause, from, to } of done.transitions) {
      if (from !== name || (cause !== "control" && legal[cause]?.includes(`${from}>${to}`) !== true)) return false
      name = to
    }
    return name === nameOf(after.state)
  },

  "the generation grows with every transition and only then": ({ after, before, done }) =>
    after.state.generation - before.state.generation === done.transitions.length,

  "every refusal names a bounded wait": ({ done: { decision } }) =>
    decision?._tag !== "Rejection" || decision.retryAfterMs >= 0 && decision.retryAfterMs <= settings.openMaxMs,

  "an opening is never longer than the longest": ({ after: { nowMs, state } }) =>
    state._tag !== "Open" || state.untilMs - nowMs <= settings.openMaxMs,

  "a clock set back lengthens no wait": ({ after }) => {
    const back = step(settings, after.state, { _tag: "Admit", nowMs: after.nowMs - 10_000, jitter: 0 })
    // A probe that is lost, then a whole opening.
    const later = step(settings, back.state, {
      _tag: "Admit",
      nowMs: after.nowMs - 10_000 + longestLeaseMs + settings.openMaxMs,
      jitter: 0
    })
    return back.transitions.length === 0 && later.decision?._tag === "Permit"
  }
}

/** The first step that breaks a law, by law; and what the steps were. */
const judge = (walk: (see: (edge: Edge) => void) => number) => {
  const breaches = new Map<string, unknown>()
  const causes = new Set<string>()
  const seen = { steps: 0, stale: 0, uncounted: 0 }
  const named = Object.entries(laws)
  const sequences = walk((edge) => {
    seen.steps += 1
    if (isStale(edge)) seen.stale += 1
    if (changesNoRate(edge)) seen.uncounted += 1
    for (const { cause } of edge.done.transitions) causes.add(cause)
    for (const [name, holds] of named) {
      if (!holds(edge) && !breaches.has(name)) {
        breaches.set(name, { before: edge.before, event: edge.event, done: edge.done })
      }
    }
  })
  return { breaches, causes, seen, sequences }
}

describe.each([["every reachable step", explore], ["random steps", wander]] as const)(
  "the breaker's laws, on %s",
  (_, walk) => {
    let judged: ReturnType<typeof judge>
    beforeAll(() => {
      judged = judge(walk)
      if (isFull) process.stdout.write(`${_}: ${JSON.stringify({ sequences: judged.sequences, ...judged.seen })}\n`)
    }, 1_800_000)

    it("saw every cause and enough of everything", () => {
      expect([...judged.causes].toSorted()).toEqual([...Object.keys(legal), "control"].toSorted())
      expect(judged.seen.steps).toBeGreaterThan(50_000)
      expect(judged.seen.stale).toBeGreaterThan(1000)
      expect(judged.seen.uncounted).toBeGreaterThan(1000)
    })

    it.each(Object.keys(laws))("%s", (law) => {
      expect(judged.breaches.get(law)).toBeUndefined()
    })
  }
)
