/** The tests of recorded refusals, the same for every family. */
import { describe, expect, it } from "@effect/vitest"
import type { ErrorFamily } from "../../src/providers/ProviderError.ts"
import { type Exchange, isPresent } from "./Recorded.ts"
import { readRefusal, reasons } from "./Refusals.ts"

/** One test for each of these that was refused. */
export const testRefusals = (family: ErrorFamily, exchanges: ReadonlyArray<Exchange>): void => {
  describe.skipIf(!isPresent)("a recorded error", () => {
    for (const exchange of exchanges.filter(({ response }) => response.status !== 200)) {
      it(`of ${exchange.name} is ${reasons[exchange.name]}`, () => {
        // None of those that were recorded says how long to wait.
        expect(readRefusal(family, exchange)).toEqual([reasons[exchange.name], exchange.response.status, undefined])
      })
    }
  })
}
