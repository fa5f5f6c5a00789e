/**
 * What an issued key looks like: `bw_ID_SECRET_CHECK`. The id is public, the secret is 32 random bytes, and the prefix with the
 * checksum lets scanners for leaked secrets find it.
 */
import { randomBytes } from "node:crypto"

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const base62 = (value: bigint, length: number): string => {
  let text = ""
  for (let rest = value; rest > 0n; rest /= 62n) text = `${digits[Number(rest % 62n)]}${text}`
  return text.padStart(length, "0")
}

const crc32 = (text: string): number => {
  let crc = 0xffffffff
  for (let at = 0; at < text.length; at++) {
    crc ^= text.charCodeAt(at)
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0xedb88320)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** From the system's own source, for a seed that anybody could guess would give every key away. */
const random = (bytes: number): bigint => BigInt(`0x${randomBytes(bytes).toString("hex")}`)

const checkOf = (body: string): string => base62(BigInt(crc32(body)), 6)

/** Ten characters that name a key. */
export const makeId = (): string => base62(random(7), 10).slice(-10)

/** A new text for the key of this id. */
export const makeText = (id: string): string => {
  const body = `bw_${id}_${base62(random(32), 43)}`
  return `${body}_${checkOf(body)}`
}

/** Whether it is whole, as a scanner would ask. */
export const isWhole = (text: string): boolean => {
  const at = text.lastIndexOf("_")
  return /^bw_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/.test(text) &&
    checkOf(text.slice(0, at)) === text.slice(at + 1)
}
