import { describe, expect, it } from "@effect/vitest"
import { Overloaded } from "../../src/domain/GatewayError.ts"
import * as Scenario from "../../src/providers/Scenario.ts"

/** What the attempts at these moments meet, in one word each; every draw is `draw`. */
const played = (scenario: Scenario.Scenario, moments: ReadonlyArray<number>, draw = 0.5): ReadonlyArray<string> => {
  const counts = new Map<Scenario.Scenario, number>()
  const count = (one: Scenario.Scenario) => {
    counts.set(one, (counts.get(one) ?? 0) + 1)
    return counts.get(one) ?? 0
  }
  return moments.map((atMs) => {
    const { delayMs, outcome } = Scenario.resolve(scenario, { atMs, draw: () => draw, count })
    const said = outcome._tag === "Fail" ? outcome.reason._tag : outcome._tag
    return delayMs === 0 ? said : `${delayMs} ${said}`
  })
}

const reasonOf = (scenario: Scenario.Scenario) => scenario._tag === "Fail" ? scenario.reason : undefined

describe("a scenario", () => {
  it("that is healthy answers, and one that is silent does not", () => {
    expect(played(Scenario.healthy, [0])).toEqual(["Answer"])
    expect(played(Scenario.silent, [0])).toEqual(["Silent"])
  })

  it.each(
    [
      [400, "UpstreamRefused"],
      [401, "CredentialRejected"],
      [404, "UpstreamModelMissing"],
      ["429", "RateLimited"],
      ["500", "UpstreamFailed"],
      [503, "Overloaded"],
      [504, "UpstreamTimedOut"]
    ] as const
  )("fails with the status %s as a provider reads it: %s", (status, tag) => {
    expect(reasonOf(Scenario.failing(status))).toMatchObject({ _tag: tag, upstreamStatus: Number(status) })
  })

  it("fails with a reason as it is given", () => {
    const reason = new Overloaded({ message: "busy", retryAfterMs: 7 })
    expect(reasonOf(Scenario.failing(reason))).toBe(reason)
  })

  it("asks for the pause that it is told to ask for", () => {
    expect(reasonOf(Scenario.failing(429, { retryAfter: "2s" }))?.retryAfterMs).toBe(2000)
    expect(reasonOf(Scenario.failing(429))?.retryAfterMs).toBeUndefined()
  })

  it("is slow in what it does, and delays add up", () => {
    expect(played(Scenario.slow("3s"), [0])).toEqual(["3000 Answer"])
    expect(played(Scenario.slow(20, Scenario.slow("1s", Scenario.failing(500))), [0])).toEqual(["1020 UpstreamFailed"])
  })

  it("plays during a stretch, its first moment included and its last not", () => {
    expect(played(Scenario.during("10s", "70s", Scenario.silent), [0, 9999, 10_000, 69_999, 70_000])).toEqual(
      ["Answer", "Answer", "Silent", "Silent", "Answer"]
    )
  })

  it("follows its timeline in the order of time, healthy before the first moment", () => {
    const timeline = Scenario.timeline(["10s", Scenario.silent], ["5s", Scenario.unreachable])
    expect(played(timeline, [0, 5000, 10_000])).toEqual(["Answer", "UpstreamUnreachable", "Silent"])
  })

  it("flaps from up to down and begins anew", () => {
    const flapping = Scenario.flapping({ up: "5s", down: "2s" })
    expect(played(flapping, [0, 4999, 5000, 6999, 7000, 12_000])).toEqual(
      ["Answer", "Answer", "Overloaded", "Overloaded", "Answer", "Overloaded"]
    )
    const other = Scenario.flapping({ up: 1, down: 1, failing: Scenario.reset, healthy: Scenario.silent })
    expect(played(other, [0, 1])).toEqual(["Silent", "ConnectionReset"])
  })

  it("plays by chance where the draw is below the probability", () => {
    const chance = Scenario.withProbability(0.3, Scenario.silent)
    expect(played(chance, [0], 0.29)).toEqual(["Silent"])
    expect(played(chance, [0], 0.3)).toEqual(["Answer"])
  })

  it("plays every nth attempt, the nth first", () => {
    expect(played(Scenario.everyNth(3, Scenario.silent), [0, 0, 0, 0, 0, 0])).toEqual(
      ["Answer", "Answer", "Silent", "Answer", "Answer", "Silent"]
    )
  })

  it("plays one after the other and stays with the last", () => {
    expect(played(Scenario.sequence(Scenario.reset, Scenario.silent, Scenario.healthy), [0, 0, 0, 0])).toEqual(
      ["ConnectionReset", "Silent", "Answer", "Answer"]
    )
  })

  it("counts only the attempts that come to it", () => {
    const burst = Scenario.during("1s", "2s", Scenario.sequence(Scenario.reset, Scenario.silent))
    expect(played(burst, [0, 500, 1000, 1500])).toEqual(["Answer", "Answer", "ConnectionReset", "Silent"])
  })

  it.each(
    [
      ["a status that is no failure", () => Scenario.failing(200), "from 400 to 599"],
      ["a probability above 1", () => Scenario.withProbability(30, Scenario.silent), "from 0 to 1"],
      ["every 0th attempt", () => Scenario.everyNth(0, Scenario.silent), "whole number from 1"],
      ["an answer without words", () => Scenario.answering({ words: 0 }), "words must be"],
      ["a speed of 0", () => Scenario.answering({ wordsPerSecond: 0 }), "wordsPerSecond must be"],
      ["half a word", () => Scenario.cutAfter(0.5), "whole number of words"],
      ["a time below zero", () => Scenario.slow(-1), "something like"],
      ["flapping in no time", () => Scenario.flapping({ up: 0, down: 0 }), "for some time"]
    ] as const
  )("refuses %s where it is written", (_, make, message) => {
    expect(make).toThrow(message)
  })
})
