import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { type After, begin, isCalm, phases, type Sea, warmUp } from "../../bench/Leavers.ts"

/** How many leave in each phase; ten thousand where there is time for it. */
const callers = process.env["BREAKWATER_FULL"] === "1" ? 10_000 : 80

let sea: Sea
let most: After

beforeAll(async () => {
  sea = await begin()
  most = await warmUp(sea, 80)
}, 60_000)

afterAll(() => sea?.stop())

describe(`${callers} callers who leave`, () => {
  it.for(phases.map((phase, at) => [phase, at] as const))(
    "in the phase \"%s\" leave no socket, no permit and no fiber",
    { timeout: 180_000 },
    async ([phase, at]) => {
      await sea.leave(phase, callers, 100 + at)
      const after = await sea.after((seen) => isCalm(seen, most))
      expect(after.fibers).toBeLessThanOrEqual(most.fibers)
      expect(after.sockets).toBeLessThanOrEqual(most.sockets)
      expect([after.permits, after.upstreamSockets]).toEqual([0, 0])
    }
  )
})
