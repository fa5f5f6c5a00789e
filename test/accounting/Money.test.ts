import { describe, expect, it } from "@effect/vitest"
import { isLess, parseUsd, parseUsdPerMtok, type PicoUsd, plus, times, toUsd } from "../../src/domain/Money.ts"
import { makeRandom as seeded } from "../providers/Seeded.ts"

const isNormal = (amount: PicoUsd): boolean =>
  typeof amount === "number" ? Number.isSafeInteger(amount) : !Number.isSafeInteger(Number(amount))

/** Whole numbers of every size up to 2^53. */
const anyInteger = (next: () => number): number => Math.floor(next() * 2 ** Math.floor(next() * 54))

describe("money", () => {
  it("reads USD exactly, with and without an exponent", () => {
    expect(parseUsd("0.00333825")).toBe(3_338_250_000)
    expect(parseUsd("1e-7")).toBe(100_000)
    expect(parseUsd("1.5E+2")).toBe(150_000_000_000_000)
    expect(parseUsd("10000")).toBe(10_000_000_000_000_000n)
    expect(parseUsd("0")).toBe(0)
  })

  it("rounds an amount finer than a pico-dollar, the half up", () => {
    expect(parseUsd("0.0000000000014")).toBe(1)
    expect(parseUsd("0.0000000000015")).toBe(2)
  })

  it("is nothing for what is no amount", () => {
    for (const text of ["", "-1", "abc", "1,5", "NaN", "Infinity", "0x10", ".", "1e400", "1 000"]) {
      expect(parseUsd(text)).toBeUndefined()
      expect(parseUsdPerMtok(text)).toBeUndefined()
    }
  })

  it("reads a price per million as pico-dollars per token, and none that is finer", () => {
    expect(parseUsdPerMtok("0.003625")).toBe(3625)
    expect(parseUsdPerMtok("15")).toBe(15_000_000)
    expect(parseUsdPerMtok("2.50")).toBe(2_500_000)
    expect(parseUsdPerMtok("0.0000005")).toBeUndefined()
  })

  it("multiplies and adds as BigInt does, in 20,000 random cases", () => {
    const next = seeded(1)
    let sum: PicoUsd = 0
    let reference = 0n
    for (let at = 0; at < 20_000; at++) {
      const count = anyInteger(next)
      const price = anyInteger(next)
      const product = times(count, price)
      expect(BigInt(product)).toBe(BigInt(count) * BigInt(price))
      sum = plus(sum, product)
      reference += BigInt(count) * BigInt(price)
      expect(isNormal(product) && isNormal(sum)).toBe(true)
      expect(BigInt(sum)).toBe(reference)
    }
  })

  it("compares as BigInt does, in 20,000 random cases and at the edge between its two forms", () => {
    const next = seeded(2)
    const edge = 2 ** 53 - 1
    const cases = [[edge, plus(edge, 1)], [plus(edge, 1), edge], [plus(edge, 1), plus(edge, 1)], [edge, edge]] as const
    const random = Array.from(
      { length: 20_000 },
      () => [times(anyInteger(next), anyInteger(next)), times(anyInteger(next), anyInteger(next))] as const
    )
    for (const [left, right] of [...cases, ...random]) {
      expect(isLess(left, right)).toBe(BigInt(left) < BigInt(right))
    }
  })

  it("shows every amount so that it reads back as itself, without an exponent", () => {
    const next = seeded(2)
    for (let at = 0; at < 5000; at++) {
      const amount = times(anyInteger(next), anyInteger(next))
      const text = toUsd(amount)
      expect(text).toMatch(/^\d+(\.\d*[1-9])?$/)
      expect(parseUsd(text)).toBe(amount)
    }
    expect(toUsd(1)).toBe("0.000000000001")
    expect(toUsd(18_050_000_000)).toBe("0.01805")
  })
})
