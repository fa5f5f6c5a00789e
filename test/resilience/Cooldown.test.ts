import { describe, expect, it } from "@effect/vitest"
import { make, note } from "../../src/resilience/Cooldown.ts"

const limited = "RateLimited"

describe("Cooldown", () => {
  it("a target is left alone until its pause is over", () => {
    const cooldown = make()
    expect(cooldown.note("a", 0, 5000, limited)).toBe(true)
    expect(cooldown.remaining("b", 0)).toBe(0)
    expect([cooldown.remaining("a", 2000), cooldown.why("a", 2000)]).toEqual([3000, limited])
    expect([cooldown.remaining("a", 5000), cooldown.why("a", 5000)]).toEqual([0, undefined])
  })

  it("a shorter pause does not cut a longer one", () => {
    const cooldown = make()
    cooldown.note("a", 0, 5000, limited)
    expect(cooldown.note("a", 0, 1000, "Overloaded")).toBe(false)
    expect([cooldown.remaining("a", 0), cooldown.why("a", 0)]).toEqual([5000, limited])
  })

  it("a longer pause takes the place of a shorter one, and of two alike the first word stays", () => {
    const cooldown = make()
    cooldown.note("a", 0, 1000, limited)
    cooldown.note("b", 0, 1000, limited)
    cooldown.note("b", 0, 1000, "Overloaded")
    expect(cooldown.why("b", 0)).toBe(limited)
    expect(cooldown.note("a", 0, 5000, "Overloaded")).toBe(false)
    expect([cooldown.remaining("a", 0), cooldown.why("a", 0)]).toEqual([5000, "Overloaded"])
    expect(cooldown.why("c", 0)).toBeUndefined()
  })

  it("a key that is noted again is the newest, and a pause of nothing changes nothing", () => {
    const waits = note(note(new Map(), "a", 0, 1000, limited), "b", 0, 1000, limited)
    expect([...note(waits, "a", 0, 2000, limited).keys()]).toEqual(["b", "a"])
    expect(note(waits, "c", 0, 0, limited)).toBe(waits)
  })

  it("nonsense is not believed", () => {
    const cooldown = make()
    for (const hint of [-5, 0, Number.NaN]) expect(cooldown.note("a", 0, hint, limited)).toBe(false)
    expect(cooldown.remaining("a", 0)).toBe(0)
    cooldown.note("a", 0, Number.POSITIVE_INFINITY, limited)
    expect(cooldown.remaining("a", 0)).toBe(3_600_000)
  })

  it("tells the longest of all and forgets them together", () => {
    const cooldown = make()
    for (const [key, pauseMs] of [["a", 5000], ["b", 9000]] as const) cooldown.note(key, 0, pauseMs, limited)
    expect(cooldown.longest(1000)).toBe(8000)
    expect(cooldown.clear(1000)).toBe(true)
    expect([cooldown.remaining("b", 1000), cooldown.clear(1000)]).toEqual([0, false])
  })

  it("pauses that are over take no room, and of a thousand keys the oldest goes", () => {
    const old = new Map(
      [["old", { untilMs: 10, why: limited }], ["just over", { untilMs: 50, why: limited }], ["new", {
        untilMs: 99,
        why: limited
      }]] as const
    )
    expect([...note(old, "key", 50, 7, limited).keys()]).toEqual(["new", "key"])
    const cooldown = make()
    for (let key = 0; key < 1001; key++) cooldown.note(String(key), 0, 5000, limited)
    expect([cooldown.remaining("0", 0), cooldown.remaining("1", 0)]).toEqual([0, 5000])
  })
})
