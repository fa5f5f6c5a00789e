/** One line in the report where the recordings are absent, so that nobody takes silence for a pass. */
import { describe, it } from "@effect/vitest"
import { isPresent } from "./Recorded.ts"

/** Called once by each file whose tests read them. */
export const tellAbsence = (): void => {
  describe.skipIf(isPresent)("recorded traffic", () => {
    it("is not beside this checkout (../shared/fixtures), so nothing is replayed", (test) =>
      test.skip("the recordings are kept outside of the repository, and a clone may stand alone"))
  })
}
