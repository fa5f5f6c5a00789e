/** Single steps of the breaker, each with the hour and the dice that tell a rule from its neighbour. */
import { describe, expect, it } from "@effect/vitest"
import type { Event } from "../../src/resilience/BreakerMachine.ts"
import { obey, step, wouldAdmit } from "../../src/resilience/BreakerMachine.ts"
import type { BreakerSettings, HalfOpen, Open, Outcome, Permit, State } from "../../src/resilience/BreakerState.ts"
import { closed, initial, permitOf } from "../../src/resilience/BreakerState.ts"

const settings: BreakerSettings = {
  windowMs: 1000,
  minimumCalls: 4,
  failureRate: 0.5,
  slowRate: 0.75,
  consecutiveFailures: 3,
  openForMs: 100,
  openMaxMs: 400,
  leaseMs: 50
}

const at = (state: State, event: Event) => step(settings, state, event)
const admit = (state: State, nowMs: number, leaseMs?: number) => at(state, { _tag: "Admit", nowMs, jitter: 0, leaseMs })
const lastResort = (state: State, nowMs: number) => at(state, { _tag: "LastResort", nowMs, jitter: 0 })
const tick = (state: State, nowMs: number) => at(state, { _tag: "Tick", nowMs, jitter: 0 }).state
const record = (state: State, permit: Permit, _tag: Outcome["_tag"], nowMs: number, isLate = false) =>
  at(state, { _tag: "Record", nowMs, jitter: 0, permit, outcome: { _tag }, isLate }).state

/** The state after these calls, each over at once. */
const after = (outcomes: ReadonlyArray<Outcome["_tag"]>, nowMs = 0, from: State = initial(0)): State =>
  outcomes.reduce<State>((state, outcome) => {
    const { decision, state: sent } = admit(state, nowMs)
    return record(sent, decision as Permit, outcome, nowMs) // closed or half-open with a free slot, so it is a permit
  }, from)

const times = (count: number, outcome: Outcome["_tag"]): ReadonlyArray<Outcome["_tag"]> =>
  Array.from({ length: count }, () => outcome)

const opened: Open = {
  _tag: "Open",
  generation: 1,
  untilMs: 300,
  openings: 3,
  openMs: 300,
  successesToClose: 3
}
const halfOpen: HalfOpen = {
  _tag: "HalfOpen",
  generation: 2,
  stage: 2,
  successes: 1,
  successesToClose: 3,
  leases: [],
  nextLease: 5,
  openings: 3,
  openMs: 300
}
const probeOf = (lease: number): Permit => ({ ...permitOf(2), lease })

describe("a closed circuit", () => {
  it("admits with a permit for each call, of its generation", () => {
    const { decision, state, transitions } = admit(initial(0), 10)
    expect(decision).toEqual({ _tag: "Permit", generation: 0, lease: 0, hasReturned: false })
    expect(admit(state, 10).decision).not.toBe(decision)
    expect(transitions).toEqual([])
    expect(state).toMatchObject({
      _tag: "Closed",
      run: { openings: 0, openMs: 0, sinceMs: 0 },
      window: { outstanding: 1 }
    })
  })

  it("keeps its history while calls go out and come back", () => {
    const history = { run: { openings: 2, openMs: 200, sinceMs: 5 }, generation: 7 }
    const sent = admit(closed(7, 5, 2, 200), 10).state
    expect(sent).toMatchObject(history)
    expect(record(sent, permitOf(7), "Success", 11)).toMatchObject(history)
  })

  it("counts a call down at its first report, whatever it says", () => {
    const sent = admit(admit(initial(0), 0).state, 0).state
    for (const outcome of ["Success", "Failure", "Slow", "Throttled", "Ignored"] as const) {
      const back = record(sent, permitOf(0), outcome, 1)
      expect(back).toMatchObject({ window: { outstanding: 1 } })
      expect(record(back, permitOf(0), outcome, 2, true)).toMatchObject({ window: { outstanding: 1 } })
    }
    expect(record(sent, permitOf(1), "Success", 1)).toBe(sent)
  })

  it("takes a throttled or an ignored call for no verdict", () => {
    const sent = admit(initial(0), 0).state
    for (const outcome of ["Throttled", "Ignored"] as const) {
      expect(record(sent, permitOf(0), outcome, 1)).toEqual(initial(0))
    }
  })

  it("never counts below nothing, even if a caller reports too often", () => {
    for (const outcome of ["Success", "Ignored"] as const) {
      expect(record(initial(0), permitOf(0), outcome, 1)).toMatchObject({ window: { outstanding: 0, begun: 0 } })
    }
  })

  it("opens by the rate at the minimum of calls, not before, and on bad news alone", () => {
    expect(after(["Failure", "Failure", "Success"])._tag).toBe("Closed")
    expect(after(["Failure", "Failure", "Success", "Success"])._tag).toBe("Closed")
    expect(after(["Success", "Success", "Failure", "Failure"])._tag).toBe("Open")
    expect(after(["Success", "Slow", "Slow", "Slow"])._tag).toBe("Open")
    expect(after(["Success", "Success", "Slow", "Slow"])._tag).toBe("Closed")
  })

  it("needs the longer run where a success is in the window", () => {
    const calm = [...times(20, "Success")] as const
    expect(after([...calm, ...times(3, "Failure")])._tag).toBe("Closed")
    expect(after([...calm, ...times(4, "Failure")])._tag).toBe("Open")
    expect(after(times(3, "Failure"), 999, after(["Success"]))._tag).toBe("Open")
    expect(after(times(2, "Failure"), 999, after(["Success"]))._tag).toBe("Closed")
    const quiet = after(["Success"], 500)
    expect(after(times(3, "Failure"), 1499, quiet)._tag).toBe("Closed")
    expect(after(times(3, "Failure"), 1500, quiet)._tag).toBe("Open")
  })

  it("waits with a run of failures until no more calls than that are out", () => {
    let state = initial(0)
    for (let sent = 0; sent < 8; sent++) state = admit(state, 0).state
    for (let failed = 0; failed < 3; failed++) state = record(state, permitOf(0), "Failure", 1)
    expect(state).toMatchObject({ _tag: "Closed", window: { consecutiveFailures: 3, outstanding: 5 } })
    expect(record(state, permitOf(0), "Failure", 1)._tag).toBe("Open")
  })

  it("says why it opened", () => {
    const cause = (nowMs: number, outcomes: ReadonlyArray<Outcome["_tag"]>, last: Outcome["_tag"]) => {
      const sent = admit(after(outcomes, nowMs), nowMs).state
      return at(sent, { _tag: "Record", nowMs, jitter: 0, permit: permitOf(0), outcome: { _tag: last } }).transitions
    }
    const told = (cause: string) => [{ from: "closed", to: "open", cause }]
    expect(cause(0, ["Success", "Success", "Failure"], "Failure")).toEqual(told("failure-rate"))
    expect(cause(0, ["Success", "Slow", "Slow"], "Slow")).toEqual(told("slow-rate"))
    expect(cause(0, ["Failure", "Failure"], "Failure")).toEqual(told("consecutive-failures"))
  })

  it("tells a trip in little traffic from one in much", () => {
    expect(after(times(3, "Failure"))).toMatchObject({ _tag: "Open", successesToClose: 1 })
    expect(after(["Success", "Success", "Failure", "Failure"])).toMatchObject({ _tag: "Open", successesToClose: 3 })
  })

  it("continues the run of openings until it was closed as long as it was open", () => {
    const again = (nowMs: number) => after(times(3, "Failure"), nowMs, closed(0, 50, 2, 200))
    expect(again(249)).toMatchObject({ openings: 3 })
    expect(again(250)).toMatchObject({ openings: 1 })
  })
})

describe("an opening", () => {
  const failing = admit(admit(admit(initial(0), 0).state, 0).state, 0).state
  const opening = (retryAfterMs: number | undefined, jitter: number) => {
    let state = failing
    for (let failed = 0; failed < 2; failed++) state = record(state, permitOf(0), "Failure", 0)
    const outcome: Outcome = { _tag: "Failure", retryAfterMs }
    return at(state, { _tag: "Record", nowMs: 0, jitter, permit: permitOf(0), outcome }).state
  }

  it("is half fixed and half by the dice", () => {
    expect(opening(undefined, 0)).toMatchObject({ openMs: 50, untilMs: 50, generation: 1, openings: 1 })
    expect(opening(undefined, 0.5)).toMatchObject({ openMs: 75 })
    expect(opening(undefined, 0.999)).toMatchObject({ openMs: 100 })
  })

  it("is as long as the pause that was asked for, within the longest", () => {
    expect(opening(20, 0)).toMatchObject({ openMs: 50 })
    expect(opening(90, 0)).toMatchObject({ openMs: 90 })
    expect(opening(9000, 0)).toMatchObject({ openMs: 400 })
  })

  it("ends at its moment, not before", () => {
    expect(admit(opened, 299).decision).toEqual({ _tag: "Rejection", retryAfterMs: 1 })
    expect(admit(opened, 299.5).decision).toEqual({ _tag: "Rejection", retryAfterMs: 1 })
    const probed = admit(opened, 300)
    expect(probed.decision).toMatchObject({ lease: 1, generation: 2, hasReturned: false })
    expect(probed.transitions).toEqual([{ from: "open", to: "half-open", cause: "open-elapsed" }])
    expect(probed.state).toEqual({
      ...halfOpen,
      stage: 1,
      successes: 0,
      leases: [{ id: 1, untilMs: 350, leaseMs: 50 }],
      nextLease: 2
    })
  })

  it("lets a last resort by an openFor after it began, and says when", () => {
    expect(lastResort(opened, 99).decision).toEqual({ _tag: "Rejection", retryAfterMs: 1 })
    expect(lastResort(opened, 100).transitions).toEqual([{ from: "open", to: "half-open", cause: "last-resort" }])
    expect(lastResort(opened, 300).transitions).toEqual([{ from: "open", to: "half-open", cause: "open-elapsed" }])
    const short: Open = { ...opened, untilMs: 60, openMs: 60 }
    expect(lastResort(short, 10).decision).toEqual({ _tag: "Rejection", retryAfterMs: 50 })
  })

  it("is no longer than it was made, however far the clock goes back", () => {
    expect(tick(opened, -500)).toMatchObject({ untilMs: -200 })
    expect(tick(opened, 0)).toBe(opened)
  })

  it("hears nothing", () => {
    expect(record(opened, permitOf(1), "Failure", 10)).toBe(opened)
  })
})

describe("a half-open circuit", () => {
  it("leases a slot for as long as the caller says, else as the settings do", () => {
    const lease = (leaseMs: number | undefined) => {
      const { state } = admit(halfOpen, 10, leaseMs)
      return state._tag === "HalfOpen" ? state.leases : undefined
    }
    expect(lease(2000)).toEqual([{ id: 5, untilMs: 2010, leaseMs: 2000 }])
    expect(lease(1)).toEqual([{ id: 5, untilMs: 11, leaseMs: 1 }])
    for (const nonsense of [undefined, 0, -1, NaN]) {
      expect(lease(nonsense)).toEqual([{ id: 5, untilMs: 60, leaseMs: 50 }])
    }
  })

  it("closes on a probe that took longer than the settings would give it", () => {
    const last: HalfOpen = { ...halfOpen, successes: 2 }
    const sent = admit(last, 0, 1000).state
    expect(tick(sent, 900)._tag).toBe("HalfOpen")
    const outcome = { _tag: "Success" } as const
    const done = at(sent, { _tag: "Record", nowMs: 900, jitter: 0, permit: probeOf(5), outcome })
    expect(done.state).toEqual(closed(3, 900, 3, 300))
    expect(done.transitions).toEqual([{ from: "half-open", to: "closed", cause: "probe-succeeded" }])
  })

  it("hears no more of a stream whose first content closed it: what comes later is of an older generation", () => {
    const sent = admit({ ...halfOpen, successes: 2 }, 0).state
    const shut = record(sent, probeOf(5), "Success", 10)
    for (const outcome of ["Failure", "Slow", "Success", "Ignored"] as const) {
      expect(record(shut, probeOf(5), outcome, 20, true)).toBe(shut)
    }
  })

  it("opens when a lease ends, dated to that moment", () => {
    const sent = admit(halfOpen, 0, 80).state
    expect(tick(sent, 79)._tag).toBe("HalfOpen")
    expect(tick(sent, 80)).toMatchObject({ _tag: "Open", openings: 4, untilMs: 280, generation: 3 })
    expect(at(sent, { _tag: "Tick", nowMs: 200, jitter: 0 })).toMatchObject({
      state: { _tag: "Open", untilMs: 280 },
      transitions: [{ from: "half-open", to: "open", cause: "lease-expired" }]
    })
  })

  it("refuses beyond its stage, until the first lease ends, or the longest opening", () => {
    const full: HalfOpen = {
      ...halfOpen,
      leases: [{ id: 1, untilMs: 90, leaseMs: 90 }, { id: 2, untilMs: 40, leaseMs: 40 }]
    }
    expect(admit(full, 10).decision).toEqual({ _tag: "Rejection", retryAfterMs: 30 })
    expect(admit(full, 10).state).toBe(full)
    const patient: HalfOpen = { ...full, stage: 1, leases: [{ id: 1, untilMs: 9000, leaseMs: 9000 }] }
    expect(admit(patient, 10).decision).toEqual({ _tag: "Rejection", retryAfterMs: 400 })
  })

  it("shortens only the leases that a clock set back has lengthened", () => {
    const leased: HalfOpen = {
      ...halfOpen,
      leases: [{ id: 1, untilMs: 90, leaseMs: 90 }, { id: 2, untilMs: 40, leaseMs: 20 }]
    }
    expect(tick(leased, 20)).toBe(leased)
    expect(tick(leased, 10)).toMatchObject({ leases: [{ untilMs: 90 }, { untilMs: 30 }] })
    expect(tick(leased, -10)).toMatchObject({ leases: [{ untilMs: 80, leaseMs: 90 }, { untilMs: 10, leaseMs: 20 }] })
  })

  it("frees the slot and nothing else for a probe without a verdict", () => {
    const sent = admit(admit(halfOpen, 0).state, 0).state
    for (const outcome of ["Ignored", "Throttled"] as const) {
      expect(record(sent, probeOf(5), outcome, 1))
        .toEqual({ ...halfOpen, nextLease: 7, leases: [{ id: 6, untilMs: 50, leaseMs: 50 }] })
    }
  })

  it("opens again by a bad probe, and says so", () => {
    const sent = admit(halfOpen, 0).state
    for (const _tag of ["Failure", "Slow"] as const) {
      const done = at(sent, { _tag: "Record", nowMs: 1, jitter: 0, permit: probeOf(5), outcome: { _tag } })
      expect(done.state).toMatchObject({ _tag: "Open", openings: 4, generation: 3, untilMs: 201 })
      expect(done.transitions).toEqual([{ from: "half-open", to: "open", cause: "probe-failed" }])
    }
  })

  it("takes one step with a success, and none with a late one", () => {
    const sent = admit(halfOpen, 0).state
    expect(record(sent, probeOf(5), "Success", 1)).toEqual({ ...halfOpen, nextLease: 6, successes: 2, stage: 4 })
    expect(record(sent, probeOf(4), "Success", 1)).toBe(sent)
    expect(record(sent, probeOf(4), "Slow", 1)).toBe(sent)
    expect(record(sent, probeOf(4), "Failure", 1)).toMatchObject({ _tag: "Open", openings: 4, untilMs: 201 })
  })
})

describe("a forced circuit", () => {
  const forced = (_tag: "ForceOpen" | "ForceClosed" | "MetricsOnly", ttlMs?: number): State =>
    at(initial(0), { _tag: "Control", nowMs: 0, jitter: 0, command: { _tag, ttlMs } }).state

  it("refuses until its end, in portions of the longest opening", () => {
    const state = forced("ForceOpen", 1000)
    expect(admit(state, 0).decision).toEqual({ _tag: "Rejection", retryAfterMs: 400 })
    expect(admit(state, 900).decision).toEqual({ _tag: "Rejection", retryAfterMs: 100 })
    expect(admit(state, 1000)).toMatchObject({
      decision: { _tag: "Permit", generation: 2 },
      transitions: [{ from: "forced-open", to: "closed", cause: "ttl-elapsed" }]
    })
  })

  it("stays for ever without a time or with one that is none, and never longer than its time", () => {
    for (const ttlMs of [undefined, -1]) expect(forced("ForceOpen", ttlMs)).toMatchObject({ untilMs: Infinity })
    expect(forced("ForceOpen", 0)).toMatchObject({ untilMs: 0 })
    const state = forced("ForceOpen", 1000)
    expect(tick(state, -500)).toMatchObject({ untilMs: 500 })
    expect(tick(state, 0)).toBe(state)
  })

  it("says from where, to where and why", () => {
    const command = { _tag: "ForceClosed", reason: "known noise" } as const
    const change = { from: "open", to: "forced-closed", cause: "control", reason: "known noise" }
    const done = obey(settings, opened, { nowMs: 0, jitter: 0, command })
    expect([done.change, done.transitions]).toEqual([change, [change]])
  })

  it("admits everyone where it is forced closed or only measures, and nobody as a probe", () => {
    for (const _tag of ["ForceClosed", "MetricsOnly"] as const) {
      expect(admit(forced(_tag), 0).decision).toEqual(permitOf(1))
    }
  })

  it("counts what comes back, and only that", () => {
    const state = forced("MetricsOnly")
    expect(admit(state, 0).state).toBe(state)
    expect(record(state, permitOf(1), "Slow", 0)).toMatchObject({
      mode: "metrics-only",
      window: { calls: 1, slow: 1 }
    })
    expect(record(state, permitOf(1), "Ignored", 0)).toBe(state)
  })
})

describe("a reset", () => {
  it("closes it with its reason and forgets everything", () => {
    const command = { _tag: "Reset", reason: "fixed" } as const
    const done = at(opened, { _tag: "Control", nowMs: 7, jitter: 0, command })
    expect(done.state).toEqual(closed(2, 7, 0, 0))
    expect(done.transitions).toEqual([{ from: "open", to: "closed", cause: "control", reason: "fixed" }])
  })
})

describe("a look ahead", () => {
  it("says what an admission would come to", () => {
    expect(wouldAdmit(settings, initial(0), 0)).toBe(true)
    expect(wouldAdmit(settings, opened, 299)).toBe(false)
    expect(wouldAdmit(settings, opened, 300)).toBe(true)
    expect(wouldAdmit(settings, halfOpen, 0)).toBe(true)
    expect(wouldAdmit(settings, admit(admit(halfOpen, 0).state, 0).state, 0)).toBe(false)
  })
})
