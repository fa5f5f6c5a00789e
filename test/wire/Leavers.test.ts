import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { type After, begin, phases, type Sea } from "../../bench/Leavers.ts"

/** How many leave in each phase; ten thousand where there is time for it. */
const callers = process.env["BREAKWATER_FULL"] === "1" ? 10_000 : 80

let sea: Sea
let before: After

beforeAll(async () => {
  sea = await begin()
  // What is made once, such as code and pools, is made by these.
  for (const [at, phase] of phases.entries()) await sea.leave(phase, 80, at)
  before = await sea.after(({ permits }) => permits === 0)
}, 60_000)

afterAll(() => sea?.stop())

describe(`${callers} callers who leave`, () => {
  it.for(phases.map((phase, at) => [phase, at] as const))(
    "in the phase \"%s\" leave no socket, no permit and no fiber",
    { timeout: 180_000 },
    async ([phase, at]) => {
      await sea.leave(phase, callers, 100 + at)
      const after = await sea.after(({ fibers, permits, sockets, upstreamSockets }) =>
        fibers <= before.fibers && sockets <= before.sockets && permits + upstreamSockets === 0
      )
      expect(after.fibers).toBeLessThanOrEqual(before.fibers)
      expect(after.sockets).toBeLessThanOrEqual(before.sockets)
      expect([after.permits, after.upstreamSockets]).toEqual([0, 0])
    }
  )
})
