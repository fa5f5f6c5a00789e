/**
 * Client keys: from the text that was shown to whose it is. Only digests are kept and compared, the text never leaves `find`, and a
 * key that is unknown, revoked or expired takes the same way to the same answer.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { hash } from "node:crypto"
import type { Principal } from "../domain/Principal.ts"

/** A key of the configuration. */
export interface StaticKey extends Principal {
  readonly key: Redacted.Redacted<string>
}

/** Bytes that a key may have; a longer text is nobody's. */
export const keyLimit = 1024

const block = 64
const digestBytes = 32

/**
 * HMAC-SHA-256 in two one-shot hashes: the block that begins each is made once, and what is hashed is written behind it. Built for
 * one text at a time, which is how it is called.
 */
export const makeDigest = (secret: string): (text: string) => string | undefined => {
  const long = Buffer.byteLength(secret) > block
  const key = Buffer.alloc(block)
  if (long) hash("sha256", secret, "buffer").copy(key)
  else key.write(secret)
  const inner = Buffer.alloc(block + keyLimit)
  const outer = Buffer.alloc(block + digestBytes)
  for (const [at, byte] of key.entries()) {
    inner[at] = byte ^ 0x36
    outer[at] = byte ^ 0x5c
  }
  return (text) => {
    // Each UTF-16 unit takes at least one byte and at most three.
    if (text.length > keyLimit || (text.length > keyLimit / 3 && Buffer.byteLength(text) > keyLimit)) return undefined
    const end = block + inner.write(text, block)
    // As a text of one byte a character, which costs half of a buffer.
    outer.write(hash("sha256", inner.subarray(0, end), "binary"), block, "latin1")
    inner.fill(0, block, end)
    return hash("sha256", outer, "base64url")
  }
}

/** Whose a digest is. */
export interface Entry {
  readonly principal: Principal
  /** When this digest ends, in milliseconds since 1970, apart from the principal's own end; absent = with that. */
  readonly untilMs?: number | undefined
  /** When it was last shown, in milliseconds since 1970. */
  lastUsedAtMs?: number
}

export class Keys extends Context.Service<Keys, {
  /** True while there never was a key: everybody may pass. */
  readonly isOpen: () => boolean
  /** Whose key this is, at a moment in milliseconds since 1970; undefined = nobody's. Plain, for every request asks. */
  readonly find: (presented: string, nowMs: number) => Principal | undefined
}>()("breakwater/admission/Keys") {}

/** Separates these digests from any other use of the hash; a secret of the operator's own takes its place. */
const domain = "breakwater client keys"

/** The keys of the configuration, and more as they come. */
export const makeRegistry = (keys: ReadonlyArray<StaticKey>, secret: string = domain) => {
  const digest = makeDigest(secret)
  const entries = new Map<string, Entry>()
  let isOpen = keys.length === 0
  for (const { key, ...principal } of keys) {
    const found = digest(Redacted.value(key))
    if (found !== undefined) entries.set(found, { principal })
  }
  return {
    digest,
    entries,
    close: (): void => {
      isOpen = false
    },
    keys: Keys.of({
      isOpen: () => isOpen,
      find: (presented, nowMs) => {
        const found = digest(presented)
        const entry = found === undefined ? undefined : entries.get(found)
        if (entry === undefined) return undefined
        const { principal, untilMs = Number.POSITIVE_INFINITY } = entry
        if (nowMs >= untilMs || nowMs >= (principal.expiresAtMs ?? Number.POSITIVE_INFINITY)) return undefined
        entry.lastUsedAtMs = nowMs
        return principal
      }
    })
  }
}

/** The keys of the configuration alone. */
export const layerStatic = (keys: ReadonlyArray<StaticKey>): Layer.Layer<Keys> =>
  Layer.sync(Keys, () => makeRegistry(keys).keys)
