import { describe, expect, it } from "@effect/vitest"
import { type Member, Roster } from "../../src/resilience/Roster.ts"

interface Named extends Member {
  readonly name: string
}

const named = (name: string): Named => ({ name })

const namesOf = (roster: Roster<Named>) => roster.members().map(({ name }) => name).toSorted()

describe("Roster", () => {
  it("has whoever was added and not taken off again, in whatever order they come and go", () => {
    const roster = new Roster<Named>()
    const present = new Map<string, Named>()
    let seed = 42
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      return seed % below
    }
    const all = Array.from({ length: 12 }, (_, n) => named(`m${n}`))
    for (let round = 0; round < 5000; round++) {
      const member = all[random(all.length)]
      if (member === undefined) continue
      if (random(2) === 0) {
        roster.add(member)
        present.set(member.name, member)
      } else {
        expect(roster.delete(member)).toBe(present.delete(member.name))
      }
      expect(namesOf(roster)).toEqual([...present.keys()].toSorted())
      expect(roster.size).toBe(present.size)
    }
  })

  it("takes nobody off for one who is not on it", () => {
    const roster = new Roster<Named>()
    roster.add(named("here"))
    expect(roster.delete(named("stranger"))).toBe(false)
    expect(namesOf(roster)).toEqual(["here"])
  })

  it("has nobody twice", () => {
    const roster = new Roster<Named>()
    const one = named("one")
    roster.add(one)
    roster.add(one)
    expect(namesOf(roster)).toEqual(["one"])
  })

  it("tells who is on it as of this moment", () => {
    const roster = new Roster<Named>()
    const one = named("one")
    roster.add(one)
    const then = roster.members()
    roster.delete(one)
    expect(then).toEqual([one])
  })
})
