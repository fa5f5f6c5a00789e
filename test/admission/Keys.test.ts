import { describe, expect, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { createHmac } from "node:crypto"
import * as Keys from "../../src/admission/Keys.ts"
import { makeRandom } from "../providers/Seeded.ts"

const key = (name: string, text: string, more: Partial<Keys.StaticKey> = {}): Keys.StaticKey => ({
  name,
  key: Redacted.make(text),
  ...more
})

describe("the digest of a key", () => {
  it("is HMAC-SHA-256 under secrets and of texts of every length", () => {
    const next = makeRandom(5)
    const text = (length: number) =>
      Array.from({ length }, () => String.fromCodePoint(33 + Math.floor(next() * 400))).join("")
    for (const secretLength of [1, 16, 63, 64, 65, 200]) {
      const secret = text(secretLength)
      const digest = Keys.makeDigest(secret)
      for (const length of [0, 1, 55, 56, 64, 119, 340, 341]) {
        const said = text(length)
        expect(digest(said)).toBe(createHmac("sha256", secret).update(said).digest("base64url"))
      }
    }
  })

  it("does not exist of a text that is longer than a key may be", () => {
    const digest = Keys.makeDigest("secret")
    expect(digest("a".repeat(Keys.keyLimit))).toBeDefined()
    expect(digest("a".repeat(Keys.keyLimit + 1))).toBeUndefined()
    expect(digest("€".repeat(Keys.keyLimit / 3 + 1))).toBeUndefined()
  })
})

describe("keys", () => {
  const { keys } = Keys.makeRegistry([
    key("alice", "sk-alice", { tags: ["team-a"], limits: { rpm: 1 } }),
    key("old", "sk-old", { expiresAtMs: 1000 })
  ])

  it("say whose a key is, and keep nothing of its text", () => {
    const found = keys.find("sk-alice", 0)
    expect(found).toEqual({ name: "alice", tags: ["team-a"], limits: { rpm: 1 } })
    expect(JSON.stringify(found)).not.toContain("sk-alice")
  })

  it("are nobody's where one is unknown, nearly right, expired, empty or endless", () => {
    expect(keys.find("sk-old", 999)?.name).toBe("old")
    expect(keys.find("sk-old", 1000)).toBeUndefined()
    for (
      const text of ["", "sk-alic", "sk-alicee", "SK-ALICE", " sk-alice", "a".repeat(100_000), "\u{1f600}".repeat(300)]
    ) {
      expect(keys.find(text, 0)).toBeUndefined()
    }
  })

  it("leave the door open only where there are none", () => {
    expect(keys.isOpen()).toBe(false)
    expect(Keys.makeRegistry([]).keys.isOpen()).toBe(true)
    expect(Keys.makeRegistry([]).keys.find("anything", 0)).toBeUndefined()
  })
})
