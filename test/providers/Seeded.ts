/** Seeded choices for property tests. */
import fc from "fast-check"

/** What fast-check is told: the same cases in every run, and more of them in a full one. */
export const runs = (usual: number, full: number) => ({
  numRuns: process.env["BREAKWATER_FULL"] === "1" ? full : usual,
  seed: 20261123
})

const share = () => fc.noBias(fc.nat(2 ** 31 - 1))

/** Checks what holds for any choices; those that break it are told in their simplest form. */
export const holds = (options: ReturnType<typeof runs>, property: (random: () => number) => void): void =>
  fc.assert(fc.property(fc.gen(), (generated) => property(() => generated(share) / 2 ** 31)), options)

/** mulberry32: numbers in [0, 1). */
export const makeRandom = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const pick = <A>(random: () => number, from: ReadonlyArray<A>): A => {
  const found = from[Math.floor(random() * from.length)]
  if (found === undefined) throw new Error("nothing to pick from")
  return found
}
