import { describe, expect, it } from "@effect/vitest"
import { isPresent } from "./Recorded.ts"
import { results } from "./Results.ts"

describe.skipIf(!isPresent)("every recorded exchange", () => {
  const all = results()

  it("of an endpoint that the gateway asks says the same when it is replayed", () => {
    const served = all.filter(({ isServed }) => isServed)
    expect(served.filter(({ faults }) => faults.length > 0).map(({ exchange, faults }) => [exchange.name, faults]))
      .toEqual([])
    expect(served.length).toBeGreaterThan(100)
  })
})
