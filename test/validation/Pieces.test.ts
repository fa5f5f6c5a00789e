import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Pieces } from "../../src/validation/Pieces.ts"

describe("pieces", () => {
  it("are the bytes that came, in their order, wherever they are cut", () => {
    const bytes = fc.uint8Array({ maxLength: 40 })
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 40 }), (list) => {
        const pieces = new Pieces()
        for (const piece of list) pieces.add(piece)
        const all = Buffer.concat(list)
        expect([pieces.length, Buffer.from(pieces.whole)]).toEqual([all.length, all])
      }),
      { seed: 5, numRuns: 500 }
    )
  })

  it("are not kept apart: all but the first may be used again at once", () => {
    const pieces = new Pieces()
    pieces.add(Uint8Array.of(1))
    const again = new Uint8Array(1)
    for (let value = 2; value < 200; value++) {
      again[0] = value
      pieces.add(again)
    }
    expect(Array.from(pieces.whole)).toEqual(Array.from({ length: 199 }, (_, at) => at + 1))
  })

  it("that are one are not copied", () => {
    const pieces = new Pieces()
    const piece = Uint8Array.of(1, 2, 3)
    pieces.add(new Uint8Array(0))
    pieces.add(piece)
    expect(pieces.whole.buffer).toBe(piece.buffer)
  })
})
