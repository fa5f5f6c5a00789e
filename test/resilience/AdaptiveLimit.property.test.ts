import { describe, expect, it } from "@effect/vitest"
import {
  type Concurrency,
  cutWindowMs,
  fromInput,
  initial,
  lawOf,
  type LimitSignal,
  slowDownWindowMs,
  step
} from "../../src/resilience/AdaptiveLimit.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"

const runs = 300
const steps = 400

/** A random history under a random law; `look` sees each step. */
const histories = (
  look: (
    law: ReturnType<typeof lawOf>,
    before: ReturnType<typeof initial>,
    signal: LimitSignal,
    after: ReturnType<typeof initial>
  ) => void
) => {
  for (let run = 0; run < runs; run++) {
    const random = makeRandom(run)
    const min = 1 + Math.floor(random() * 10)
    const written: ReadonlyArray<Concurrency | undefined> = [
      undefined,
      1 + Math.floor(random() * 50),
      { min, max: min + Math.floor(random() * 60) }
    ]
    const law = lawOf(written[run % 3])
    let state = initial(law)
    let nowMs = 0
    for (let n = 0; n < steps; n++) {
      nowMs += random() * 400
      const most = Number.isFinite(state.limit) ? state.limit : 100
      const signal: LimitSignal = {
        _tag: pick(random, ["Success", "Success", "Success", "Success", "Overload", "SlowDown"]),
        inFlight: Math.max(1, Math.ceil(random() * 1.2 * most)),
        nowMs,
        sentAtMs: nowMs - random() * 600
      }
      const after = step(law, state, signal)
      look(law, state, signal, after)
      state = after
    }
  }
}

describe("a limit that learns", () => {
  it("never leaves its range and is never below one", () => {
    histories((law, _before, _signal, after) => {
      expect(after.limit).toBeGreaterThanOrEqual(Math.max(1, law.min))
      expect(after.limit).toBeLessThanOrEqual(law.max)
    })
  })

  it("holds no more than it is, or has looked beyond what holds", () => {
    histories((law, _before, _signal, after) => {
      expect(after.held).toBeGreaterThanOrEqual(law.min)
      if (after.limit > after.held) expect(after.limit - after.held).toBeLessThanOrEqual(after.stride)
    })
  })

  it("is cut once for all calls that were sent before, and not again within the window", () => {
    histories((_law, before, { _tag, nowMs, sentAtMs }, after) => {
      if (after.limit >= before.limit) return
      expect(_tag).not.toBe("Success")
      expect(nowMs - before.cutAtMs).toBeGreaterThanOrEqual(_tag === "Overload" ? cutWindowMs : slowDownWindowMs)
      if (_tag === "Overload") expect(sentAtMs).toBeGreaterThan(before.cutAtMs)
    })
  })

  it("loses only the look where it had looked beyond what holds, else a quarter, and half on a request to slow down", () => {
    histories((law, before, { _tag, inFlight }, after) => {
      if (after.limit >= before.limit) return
      const whole = Number.isFinite(before.limit) ? before.limit : inFlight
      const part = _tag === "SlowDown" ? whole / 2 : before.limit > before.held ? before.held : whole * 3 / 4
      expect(after.limit).toBe(Math.max(law.min, Math.floor(part)))
    })
  })

  it("grows only after a success at a full limit, and after as many of them as the limit", () => {
    let successes = 0
    histories((law, before, signal, after) => {
      if (before.cutAtMs === -Infinity && before.successes === 0) successes = 0
      const isFull = signal._tag === "Success" && signal.inFlight >= before.limit
      if (isFull) successes += 1
      if (after.limit > before.limit && law.learns) {
        expect(isFull).toBe(true)
        expect(after.limit).toBeLessThanOrEqual(before.limit + Math.max(1, Math.ceil(before.limit / 2)))
        expect(successes).toBeGreaterThanOrEqual(before.limit)
      }
      if (after.limit !== before.limit || after.cutAtMs !== before.cutAtMs) successes = 0
    })
  })

  it("hears nothing but a request to slow down where the operator wrote a number, or nothing", () => {
    histories((law, before, signal, after) => {
      if (law.learns || signal._tag !== "Overload") return
      expect(after).toBe(before)
    })
  })

  it("comes back whole a minute after the last cut, where it was not to learn", () => {
    const law = lawOf(20)
    const cut = step(law, initial(law), { _tag: "SlowDown", inFlight: 20, nowMs: 0, sentAtMs: 0 })
    expect(cut.limit).toBe(10)
    expect(step(law, cut, { _tag: "Success", inFlight: 1, nowMs: 59_999, sentAtMs: 0 }).limit).toBe(10)
    expect(step(law, cut, { _tag: "Success", inFlight: 1, nowMs: 60_000, sentAtMs: 0 }).limit).toBe(20)
  })
})

describe("fromInput", () => {
  it("takes a number, the word, or a range with either end", () => {
    expect(fromInput(20)).toBe(20)
    expect(fromInput("adaptive")).toEqual({ min: 1, max: 256 })
    expect(fromInput({ min: 4 })).toEqual({ min: 4, max: 256 })
    expect(fromInput({ max: 64 })).toEqual({ min: 1, max: 64 })
    expect(fromInput({ min: 300 })).toEqual({ min: 300, max: 300 })
  })
})
