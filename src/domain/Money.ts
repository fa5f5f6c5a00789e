/**
 * US dollars as whole pico-dollars (10^-12 USD), so that no sum is ever rounded: a price of N USD for a million tokens is N × 10^6
 * pico-dollars for one. An amount is a number while that is exact and a BigInt beyond 2^53 (9,007 USD).
 */

/** A number is always a safe integer; a BigInt never could be one, so equal amounts are `===`. */
export type PicoUsd = number | bigint

const decimal = /^\+?(\d{1,40})(?:\.(\d{0,60}))?(?:[eE]([+-]?\d{1,2}))?$/

const normal = (value: bigint): PicoUsd => {
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}

/** `text` × 10^scale, and whether that is a whole number; the half is rounded up. Undefined for what is no decimal ≥ 0. */
const scaled = (text: string, scale: number): { readonly value: bigint; readonly isExact: boolean } | undefined => {
  const found = decimal.exec(text.trim())
  if (found === null) return undefined
  const [, whole = "", fraction = "", exponent = "0"] = found
  const digits = BigInt(whole + fraction)
  const shift = scale + Number(exponent) - fraction.length
  if (shift >= 0) return { value: digits * 10n ** BigInt(shift), isExact: true }
  const unit = 10n ** BigInt(-shift)
  return { value: (digits + unit / 2n) / unit, isExact: digits % unit === 0n }
}

/** An amount in USD, such as `0.00333825` or `1e-7`, rounded to a pico-dollar; undefined for what is no decimal ≥ 0. */
export const parseUsd = (text: string): PicoUsd | undefined => {
  const found = scaled(text, 12)
  return found === undefined ? undefined : normal(found.value)
}

/** USD for a million tokens to pico-dollars for one; undefined unless it is a decimal ≥ 0 with at most six places. */
export const parseUsdPerMtok = (text: string): number | undefined => {
  const found = scaled(text, 6)
  if (found === undefined || !found.isExact) return undefined
  const price = normal(found.value)
  return typeof price === "number" ? price : undefined
}

/** A safe integer × a safe integer. */
export const times = (count: number, price: number): PicoUsd => {
  const product = count * price
  return Number.isSafeInteger(product) ? product : normal(BigInt(count) * BigInt(price))
}

/** The sum of two amounts. */
export const plus = (left: PicoUsd, right: PicoUsd): PicoUsd => {
  if (typeof left === "number" && typeof right === "number") {
    const sum = left + right
    if (Number.isSafeInteger(sum)) return sum
  }
  return normal(BigInt(left) + BigInt(right))
}

/** Whether one amount is below another: every number is below every BigInt, for that is why it is none. */
export const isLess = (left: PicoUsd, right: PicoUsd): boolean =>
  typeof left === typeof right ? left < right : typeof left === "number"

/** What is left of an amount when another is taken off; never below 0. */
export const minus = (left: PicoUsd, right: PicoUsd): PicoUsd => {
  if (typeof left === "number" && typeof right === "number") return left > right ? left - right : 0
  const rest = BigInt(left) - BigInt(right)
  return rest > 0n ? normal(rest) : 0
}

// What a request cost is told in several places, one after the other.
let lastAmount: PicoUsd = 0
let lastUsd = "0"

/** All digits in USD and no exponent: `0.00333825`, `12`, `0`. */
export const toUsd = (amount: PicoUsd): string => {
  if (amount === lastAmount) return lastUsd
  lastAmount = amount
  return lastUsd = usdOf(amount)
}

const usdOf = (amount: PicoUsd): string => {
  const digits = String(amount).padStart(13, "0")
  const whole = digits.slice(0, -12)
  const fraction = digits.slice(-12).replace(/0+$/, "")
  return fraction === "" ? whole : `${whole}.${fraction}`
}

/** An amount from its whole millionths of a dollar and the pico-dollars beside them, as decimal digits; `rest` may be more than one. */
export const fromMicroAndRest = (micro: string, rest: string): PicoUsd =>
  normal(BigInt(micro) * 1_000_000n + BigInt(rest))
