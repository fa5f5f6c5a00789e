import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { IssuedKeys, type KeysSettings, layer } from "../../src/admission/IssuedKeys.ts"
import { Keys } from "../../src/admission/Keys.ts"
import { Fleet, layerSingle } from "../../src/storage/Fleet.ts"

const settings: KeysSettings = {
  keys: [{ name: "file", key: Redacted.make("sk-file") }],
  secret: undefined,
  sql: undefined
}

const running = (more: Partial<KeysSettings> = {}) => Layer.provide(layer({ ...settings, ...more }), layerSingle)

const names = Effect.gen(function*() {
  return (yield* (yield* IssuedKeys).list).map(({ principal }) => principal.name)
})

const codeOf = <A, E extends { readonly reason: { readonly errorCode: string | null } }, R>(
  effect: Effect.Effect<A, E, R>
) => Effect.map(Effect.flip(effect), ({ reason }) => reason.errorCode)

const codeOrNone = <A, E extends { readonly reason: { readonly errorCode: string | null } }, R>(
  effect: Effect.Effect<A, E, R>
) => Effect.match(effect, { onFailure: ({ reason }) => reason.errorCode, onSuccess: () => undefined })

describe("an issued key", () => {
  it.effect("opens the door with what it was given, and is listed without its text", () =>
    Effect.gen(function*() {
      const keys = yield* Keys
      const issued = yield* IssuedKeys
      const { record, text } = yield* issued.issue({
        name: "dora",
        models: ["fast"],
        limits: { rpm: 5 },
        budget: { usd: "2", per: "day" },
        tags: ["a"]
      })
      expect(keys.find(text, 0)).toMatchObject({
        name: "dora",
        models: ["fast"],
        limits: { rpm: 5 },
        budget: { limit: 2_000_000_000_000, per: "day", soft: 0.8 },
        tags: ["a"]
      })
      expect(text).toContain(record.id)
      const listed = yield* issued.list
      expect(listed.map(({ principal }) => principal.name)).toEqual(["file", "dora"])
      expect(JSON.stringify(listed)).not.toContain(text)
      expect(JSON.stringify(listed)).not.toContain(text.slice(14, 57))
    }).pipe(Effect.provide(running())))

  it.effect("ends when it expires and when it is revoked, for good", () =>
    Effect.gen(function*() {
      const keys = yield* Keys
      const issued = yield* IssuedKeys
      const { text } = yield* issued.issue({ name: "dora", expiresAtMs: 1000 })
      expect(keys.find(text, 999)?.name).toBe("dora")
      expect(keys.find(text, 1000)).toBeUndefined()
      const eve = yield* issued.issue({ name: "eve" })
      yield* issued.revoke(eve.record.id)
      yield* issued.revoke("eve")
      expect(keys.find(eve.text, 0)).toBeUndefined()
      expect(yield* codeOf(issued.rotate("eve", 0))).toBe("key_revoked")
      expect(yield* codeOf(issued.issue({ name: "eve" }))).toBe("key_exists")
    }).pipe(Effect.provide(running())))

  it.effect("that is rotated has two texts for as long as is said, and never three", () =>
    Effect.gen(function*() {
      const keys = yield* Keys
      const issued = yield* IssuedKeys
      const first = yield* issued.issue({ name: "dora" })
      const second = yield* issued.rotate("dora", 60_000)
      expect([first, second].map(({ text }) => keys.find(text, 59_999)?.name)).toEqual(["dora", "dora"])
      expect(keys.find(first.text, 60_000)).toBeUndefined()
      const third = yield* issued.rotate("dora", 60_000)
      expect([first, second, third].map(({ text }) => keys.find(text, 0)?.name)).toEqual([undefined, "dora", "dora"])
      const last = yield* issued.rotate("dora", 0)
      expect([second, third, last].map(({ text }) => keys.find(text, 0)?.name)).toEqual([undefined, undefined, "dora"])
    }).pipe(Effect.provide(running())))

  it.effect("is told from one of the configuration and from one that is nobody's", () =>
    Effect.gen(function*() {
      const issued = yield* IssuedKeys
      expect(yield* codeOf(issued.issue({ name: "file" }))).toBe("key_exists")
      expect(yield* codeOf(issued.revoke("file"))).toBe("configured_key")
      expect(yield* codeOf(issued.rotate("nobody", 0))).toBe("key_not_found")
    }).pipe(Effect.provide(running())))

  it.effect("closes an open door, also once it is revoked", () =>
    Effect.gen(function*() {
      const keys = yield* Keys
      const issued = yield* IssuedKeys
      expect(keys.isOpen()).toBe(true)
      yield* issued.issue({ name: "dora" })
      expect(keys.isOpen()).toBe(false)
      yield* issued.revoke("dora")
      expect(keys.isOpen()).toBe(false)
    }).pipe(Effect.provide(running({ keys: [] }))))
})

describe("a key that two workers change at once", () => {
  const heard: Array<(body: unknown) => Effect.Effect<unknown, { readonly message: string }>> = []
  const fleet = Layer.effect(
    Fleet,
    Effect.map(Fleet, (single) =>
      Fleet.of({
        ...single,
        handle: (topic, handler) => {
          if (topic === "keys") heard.push(handler)
          return single.handle(topic, handler)
        }
      }))
  ).pipe(Layer.provide(layerSingle))

  it.effect("is revoked in the end, in whatever order that is heard", () =>
    Effect.gen(function*() {
      const keys = yield* Keys
      const issued = yield* IssuedKeys
      for (const isLast of [true, false]) {
        const { record, text } = yield* issued.issue({ name: `dora ${isLast}` })
        const rotated = { ...record, version: 3 }
        const revoked = { ...record, version: 2, revokedAtMs: 1 }
        for (const body of isLast ? [rotated, revoked] : [revoked, rotated]) {
          yield* Effect.forEach(heard, (hear) => hear(body))
        }
        expect([isLast, keys.find(text, 0)]).toEqual([isLast, undefined])
      }
    }).pipe(Effect.provide(Layer.provide(layer(settings), fleet))))

  it.effect("is revoked by its name also where both have issued one of it", () =>
    Effect.gen(function*() {
      const keys = yield* Keys
      const issued = yield* IssuedKeys
      const { record, text } = yield* issued.issue({ name: "dora" })
      const other = yield* issued.issue({ name: "eve" })
      yield* Effect.forEach(heard, (hear) => hear({ ...other.record, name: record.name, version: 2 }))
      expect(keys.find(other.text, 0)?.name).toBe("dora")
      yield* issued.revoke("dora")
      expect([keys.find(text, 0), keys.find(other.text, 0)]).toEqual([undefined, undefined])
    }).pipe(Effect.provide(Layer.provide(layer(settings), fleet))))
})

describe("issued keys in a SQLite file", () => {
  it.effect("outlive the process with their last use, under the same secret only, and as digests", () => {
    const folder = mkdtempSync(join(tmpdir(), "breakwater-keys-"))
    const file = join(folder, "keys.db")
    const stored = (secret?: string) =>
      running({
        sql: Redacted.make(`sqlite:${file}`),
        secret: secret === undefined ? undefined : Redacted.make(secret)
      })
    return Effect.gen(function*() {
      const text = yield* Effect.gen(function*() {
        const issued = yield* IssuedKeys
        const { text } = yield* issued.issue({ name: "dora", limits: { rpm: 5 } })
        const eve = yield* issued.issue({ name: "eve" })
        yield* issued.revoke("eve")
        expect((yield* Keys).find(eve.text, 4000)).toBeUndefined()
        expect((yield* Keys).find(text, 5000)?.name).toBe("dora")
        return text
      }).pipe(Effect.provide(stored()))
      yield* Effect.gen(function*() {
        expect(yield* names).toEqual(["file", "dora", "eve"])
        const [, dora, eve] = yield* (yield* IssuedKeys).list
        expect(dora?.lastUsedAtMs).toBe(5000)
        expect(eve?.issued?.revokedAtMs).toBe(0)
        expect((yield* Keys).find(text, 6000)?.limits).toEqual({ rpm: 5 })
        yield* TestClock.adjust("1 minute")
      }).pipe(Effect.provide(stored()))
      yield* Effect.gen(function*() {
        expect((yield* Keys).find(text, 6000)).toBeUndefined()
      }).pipe(Effect.provide(stored("another secret, of the operator's")))
      expect(readFileSync(file).includes(text.slice(14, 57))).toBe(false)
    }).pipe(Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true }))))
  })

  it.effect("are changed one after the other: a key that is revoked is not brought back by a rotation beside it", () => {
    const folder = mkdtempSync(join(tmpdir(), "breakwater-keys-"))
    const stored = running({ sql: Redacted.make(`sqlite:${join(folder, "keys.db")}`) })
    return Effect.gen(function*() {
      const texts = yield* Effect.gen(function*() {
        const issued = yield* IssuedKeys
        const keys = yield* Keys
        const { text } = yield* issued.issue({ name: "dora" })
        const [, rotated] = yield* Effect.all(
          [issued.revoke("dora"), Effect.option(issued.rotate("dora", 60_000))],
          { concurrency: 2 }
        )
        const texts = [text, ...rotated._tag === "Some" ? [rotated.value.text] : []]
        expect(texts.map((one) => keys.find(one, 0))).toEqual(texts.map(() => undefined))
        const both = yield* Effect.all([issued.issue({ name: "eve" }), issued.issue({ name: "eve" })].map(codeOrNone), {
          concurrency: 2
        })
        expect(both).toEqual([undefined, "key_exists"])
        return texts
      }).pipe(Effect.provide(stored))
      yield* Effect.gen(function*() {
        const keys = yield* Keys
        expect(texts.map((one) => keys.find(one, 0))).toEqual(texts.map(() => undefined))
      }).pipe(Effect.provide(stored))
    }).pipe(Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true }))))
  })

  it.effect("that one server has revoked are so at the next start, whatever another has made of them since", () => {
    const folder = mkdtempSync(join(tmpdir(), "breakwater-keys-"))
    const stored = running({ sql: Redacted.make(`sqlite:${join(folder, "keys.db")}`) })
    return Effect.gen(function*() {
      const text = yield* Effect.gen(function*() {
        const issued = yield* IssuedKeys
        yield* issued.issue({ name: "dora" })
        yield* Effect.flatMap(IssuedKeys, (other) => other.revoke("dora")).pipe(Effect.provide(Layer.fresh(stored)))
        return (yield* issued.rotate("dora", 0)).text
      }).pipe(Effect.provide(stored))
      const next = yield* Effect.map(Keys, (keys) => keys.find(text, 0)).pipe(Effect.provide(Layer.fresh(stored)))
      expect(next).toBeUndefined()
    }).pipe(Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true }))))
  })

  it.effect("are revoked at once, also where that cannot be stored, and then their operator is told so", () => {
    const folder = mkdtempSync(join(tmpdir(), "breakwater-keys-"))
    const file = join(folder, "keys.db")
    return Effect.gen(function*() {
      const issued = yield* IssuedKeys
      const keys = yield* Keys
      const { text } = yield* issued.issue({ name: "dora" })
      const database = new DatabaseSync(file)
      database.exec("ALTER TABLE breakwater_keys RENAME TO elsewhere")
      const { reason } = yield* Effect.flip(issued.revoke("dora"))
      expect(reason.errorCode).toBe("keys_unavailable")
      expect(reason.message).toContain("revoked until the next start")
      expect(keys.find(text, 0)).toBeUndefined()
      expect(yield* codeOf(issued.issue({ name: "eve" }))).toBe("keys_unavailable")
      expect(yield* names).toEqual(["file", "dora"])
      database.exec("ALTER TABLE elsewhere RENAME TO breakwater_keys")
      database.close()
      yield* issued.revoke("dora")
      const next = yield* Effect.flatMap(IssuedKeys, ({ list }) => list).pipe(
        Effect.provide(Layer.fresh(running({ sql: Redacted.make(`sqlite:${file}`) })))
      )
      expect(next.find(({ principal }) => principal.name === "dora")?.issued?.revokedAtMs).toBe(0)
    }).pipe(
      Effect.provide(running({ sql: Redacted.make(`sqlite:${file}`) })),
      Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true })))
    )
  })

  it.effect("are in force here once they are stored, though whoever asked has gone", () => {
    const folder = mkdtempSync(join(tmpdir(), "breakwater-keys-"))
    return Effect.gen(function*() {
      const issued = yield* IssuedKeys
      const keys = yield* Keys
      const { text } = yield* issued.issue({ name: "dora" })
      const revoking = yield* Effect.forkChild(issued.revoke("dora"), { startImmediately: true })
      yield* Fiber.interrupt(revoking)
      expect(keys.find(text, 0)).toBeUndefined()
    }).pipe(
      Effect.provide(running({ sql: Redacted.make(`sqlite:${join(folder, "keys.db")}`) })),
      Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true })))
    )
  })
})
