import { describe, expect, it } from "@effect/vitest"
import type { SlidingWindow } from "../../src/resilience/SlidingWindow.ts"
import { add, begin, empty, rates, withdraw } from "../../src/resilience/SlidingWindow.ts"

const windowMs = 100
const startMs = 1000

/** A window in which these outcomes came at these moments, counted from the start of its first slot. */
const after = (...samples: ReadonlyArray<readonly ["Success" | "Failure" | "Slow", number]>): SlidingWindow =>
  samples.reduce((window, [outcome, atMs]) => add(window, outcome, startMs + atMs, windowMs), empty(startMs))

const at = (window: SlidingWindow, ms: number) => rates(window, startMs + ms, windowMs)

describe("SlidingWindow", () => {
  it("a window without calls has no rates, and no NaN", () => {
    expect(at(empty(startMs), 0)).toEqual({ calls: 0, failureRate: 0, slowRate: 0 })
    expect(at(empty(startMs), 250)).toEqual({ calls: 0, failureRate: 0, slowRate: 0 })
  })

  it("the running slot counts in full to its last moment", () => {
    const window = after(["Failure", 0], ["Slow", 0], ["Slow", 50], ["Success", 99])
    for (const ms of [0, 50, 99]) expect(at(window, ms)).toEqual({ calls: 4, failureRate: 0.25, slowRate: 0.5 })
  })

  it("the slot before counts by the part that the window still covers", () => {
    const window = after(["Failure", 0], ["Failure", 10], ["Slow", 20], ["Slow", 30])
    expect(at(window, 100)).toEqual({ calls: 4, failureRate: 0.5, slowRate: 0.5 })
    expect(at(window, 150)).toEqual({ calls: 2, failureRate: 0.5, slowRate: 0.5 })
    expect(at(window, 175).calls).toBe(1)
  })

  it("both slots are weighed against each other", () => {
    const before = after(["Failure", 0], ["Failure", 10], ["Slow", 20], ["Slow", 30])
    const window = add(add(before, "Success", startMs + 120, windowMs), "Slow", startMs + 130, windowMs)
    // Half of the four before, and the two of now.
    expect(at(window, 150)).toEqual({ calls: 4, failureRate: 0.25, slowRate: 0.5 })
  })

  it("what is two slots old is forgotten", () => {
    const window = after(["Failure", 0], ["Slow", 10])
    expect(at(window, 200)).toEqual({ calls: 0, failureRate: 0, slowRate: 0 })
    expect(at(add(window, "Success", startMs + 250, windowMs), 250)).toEqual({ calls: 1, failureRate: 0, slowRate: 0 })
  })

  it("slots keep their edges, however long nothing came", () => {
    const window = after(["Failure", 350])
    expect(window.slot.startMs).toBe(startMs + 300)
    expect(at(window, 400).calls).toBe(1)
    expect(at(window, 450).calls).toBe(0.5)
  })

  it("a slot is the same from its first moment to its last, and at its end another", () => {
    const window = after(["Failure", 0])
    for (const ms of [0, 99]) expect(begin(window, startMs + ms, windowMs).slot).toBe(window.slot)
    expect(begin(window, startMs + 100, windowMs)).toMatchObject({
      slot: { startMs: startMs + 100, previousCalls: 1 },
      begun: 1
    })
  })

  it("failures in a row are counted over slots, and only a success ends them", () => {
    expect(after(["Failure", 0], ["Slow", 10], ["Failure", 110], ["Failure", 350]).consecutiveFailures).toBe(3)
    expect(after(["Failure", 0], ["Success", 10], ["Failure", 20]).consecutiveFailures).toBe(1)
    expect(after(["Slow", 0]).consecutiveFailures).toBe(0)
  })

  it("remembers when the last success came", () => {
    expect(empty(startMs).lastSuccessMs).toBe(Number.NEGATIVE_INFINITY)
    expect(after(["Success", 10], ["Failure", 20], ["Slow", 350]).lastSuccessMs).toBe(startMs + 10)
  })

  it("a clock that is set back restarts the slot and keeps the counts", () => {
    const window = after(["Success", 40], ["Failure", 50], ["Slow", 60])
    expect(at(window, -500)).toEqual({ calls: 3, failureRate: 1 / 3, slowRate: 1 / 3 })
    const back = add(window, "Failure", startMs - 500, windowMs)
    expect(back).toEqual({
      slot: { startMs: startMs - 500, previousCalls: 0, previousFailures: 0, previousSlow: 0, previousBegun: 0 },
      calls: 4,
      failures: 2,
      slow: 1,
      consecutiveFailures: 2,
      lastSuccessMs: startMs - 500,
      begun: 0,
      outstanding: 0
    })
  })

  it("a clock that is set back by less than the last success is old leaves that moment alone", () => {
    const window = { ...after(["Success", 10], ["Failure", 110]) }
    expect(add(window, "Failure", startMs + 50, windowMs).lastSuccessMs).toBe(startMs + 10)
  })

  const sent = (calls: number, atMs: number, window = empty(startMs)): SlidingWindow =>
    Array.from({ length: calls }).reduce<SlidingWindow>((one) => begin(one, startMs + atMs, windowMs), window)

  it("failures are a share of the calls that were sent, until more than those have come back", () => {
    const one = add(sent(4, 0), "Failure", startMs + 10, windowMs)
    expect(at(one, 10)).toEqual({ calls: 1, failureRate: 0.25, slowRate: 0 })
    const four = add(
      add(add(one, "Slow", startMs + 20, windowMs), "Slow", startMs, windowMs),
      "Success",
      startMs,
      windowMs
    )
    expect(at(four, 20)).toEqual({ calls: 4, failureRate: 0.25, slowRate: 0.5 })
    expect(at(add(four, "Failure", startMs + 30, windowMs), 30).failureRate).toBe(0.4)
  })

  it("a late failure takes the place of its sample, and never makes more failures than calls", () => {
    const late = (window: SlidingWindow, ms: number) => add(window, "Failure", startMs + ms, windowMs, true)
    expect(at(late(after(["Success", 10], ["Success", 20]), 30), 30)).toMatchObject({ calls: 2, failureRate: 0.5 })
    expect(at(late(late(after(["Success", 10]), 20), 30), 30)).toMatchObject({ calls: 2, failureRate: 1 })
    expect(late(after(["Success", 10]), 120)).toMatchObject({
      slot: { previousCalls: 1 },
      calls: 1,
      failures: 1,
      outstanding: 0
    })
    expect(at(late(after(["Slow", 10]), 20), 20)).toEqual({ calls: 1, failureRate: 1, slowRate: 1 })
  })

  it("only a late failure takes a place", () => {
    const window = after(["Success", 10])
    for (const outcome of ["Success", "Slow"] as const) {
      expect(add(window, outcome, startMs + 20, windowMs, true).calls).toBe(2)
    }
  })

  it("what was sent in the slot before counts by the part that the window still covers", () => {
    const window = add(sent(4, 90), "Failure", startMs + 150, windowMs)
    expect(at(window, 150)).toEqual({ calls: 1, failureRate: 0.5, slowRate: 0 })
    expect(at(window, 199).failureRate).toBe(1)
    expect(window).toMatchObject({ begun: 0, slot: { previousBegun: 4 }, outstanding: 3 })
    expect(add(window, "Slow", startMs + 250, windowMs)).toMatchObject({
      begun: 0,
      slot: { previousBegun: 0 },
      outstanding: 2
    })
  })

  it("sending a call forgets nothing that came back", () => {
    const window = after(["Success", 5], ["Failure", 10], ["Slow", 110], ["Failure", 120])
    const { begun, outstanding, ...rest } = begin(window, startMs + 130, windowMs)
    expect({ ...rest, begun: begun - 1, outstanding: outstanding - 1 }).toEqual(window)
  })

  it("a call is out until its first report, and a second report is of no other call", () => {
    const window = sent(2, 0)
    expect(window.outstanding).toBe(2)
    const back = add(window, "Success", startMs, windowMs)
    expect(back.outstanding).toBe(1)
    expect(add(back, "Failure", startMs, windowMs, true).outstanding).toBe(1)
    expect(add(add(back, "Slow", startMs, windowMs), "Slow", startMs, windowMs).outstanding).toBe(0)
  })

  it("a call without a verdict counts as never sent, in the slot in which it was", () => {
    expect(withdraw(sent(2, 0), startMs, windowMs)).toEqual(sent(1, 0))
    const later = withdraw(sent(2, 0), startMs + 110, windowMs)
    expect(later).toMatchObject({ begun: 0, slot: { previousBegun: 1 }, outstanding: 1 })
    const both = withdraw(sent(1, 120, sent(2, 0)), startMs + 130, windowMs)
    expect(both).toMatchObject({ begun: 0, slot: { previousBegun: 2 }, outstanding: 2 })
    expect(withdraw(empty(startMs), startMs, windowMs)).toEqual(empty(startMs))
  })
})
