/**
 * Client keys that come and go while the server runs: issued, rotated, revoked. Each change is stored and told to every process of
 * the fleet, and in force everywhere before it is answered. A key's text is shown once and kept nowhere.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import {
  AdmissionUnavailable,
  type GatewayError,
  gatewayError,
  InternalFailure,
  InvalidRequest,
  RouteNotFound
} from "../domain/GatewayError.ts"
import { IssuedKey, principalOf } from "../domain/IssuedKey.ts"
import type { Principal } from "../domain/Principal.ts"
import { Fleet } from "../storage/Fleet.ts"
import * as KeyStore from "../storage/KeyStore.ts"
import type { StorageFailed } from "../storage/LedgerStore.ts"
import { Keys, makeRegistry, type StaticKey } from "./Keys.ts"
import * as KeyText from "./KeyText.ts"

export interface KeysSettings {
  /** Those of the configuration. */
  readonly keys: ReadonlyArray<StaticKey>
  /** What digests are made with. Default absent = a constant. */
  readonly secret: Redacted.Redacted<string> | undefined
  /** `sqlite:FILE`; anything else keeps issued keys in memory. */
  readonly sql: Redacted.Redacted<string> | undefined
}

/** What is asked for. */
export type Wish = Pick<IssuedKey, "name" | "models" | "limits" | "budget" | "tags" | "expiresAtMs">

/** A key that is known here. */
export interface ListedKey {
  readonly principal: Principal
  /** Absent = it stands in the configuration. */
  readonly issued: IssuedKey | undefined
  readonly lastUsedAtMs: number | undefined
}

/** A key and its text, which is told this once. */
export interface Shown {
  readonly record: IssuedKey
  readonly text: string
}

export class IssuedKeys extends Context.Service<IssuedKeys, {
  readonly kind: KeyStore.KeyStore["kind"]
  /** Of the configuration first, then the issued ones by age; with the last use that any process saw. */
  readonly list: Effect.Effect<ReadonlyArray<ListedKey>>
  readonly issue: (wish: Wish) => Effect.Effect<Shown, GatewayError>
  /** By name or id; at once, and for good. */
  readonly revoke: (name: string) => Effect.Effect<IssuedKey, GatewayError>
  /** A new text; the present one stays good for so many milliseconds, and any before it ends now. */
  readonly rotate: (name: string, graceMs: number) => Effect.Effect<Shown, GatewayError>
}>()("breakwater/admission/IssuedKeys") {}

const topic = "keys"
const usesTopic = "keys.uses"

/** How often moments of last use are stored, in milliseconds. */
const flushMs = 60_000

/** What no issued key has for an id. */
const fileId = ({ name }: Principal): string => `file:${name}`

const decodeRecord = Schema.decodeUnknownEffect(IssuedKey)
const decodeUses = Schema.decodeUnknownEffect(Schema.Record(Schema.String, Schema.Number))

const refuse = (fields: { readonly message: string; readonly code: string }) =>
  gatewayError(new InvalidRequest({ ...fields, param: "name" }))

const unknown = (name: string): GatewayError =>
  gatewayError(
    new RouteNotFound({ message: `There is no key ${name.slice(0, 100)}.`, param: "name", code: "key_not_found" })
  )

const notStored = (more: string) => ({ message }: StorageFailed): GatewayError =>
  gatewayError(
    new AdmissionUnavailable({ message: `The key could not be stored: ${message}.${more}`, code: "keys_unavailable" })
  )

const openStore = (sql: string | undefined) => {
  const file = /^sqlite:(?:\/\/)?(.+)$/.exec(sql ?? "")?.[1]
  return file === undefined
    ? Effect.succeed(KeyStore.memory)
    : Effect.flatMap(Effect.promise(() => import("../storage/SqliteKeys.ts")), (module) => module.keys(file))
}

/** The issued keys of this process. */
const makeBook = (registry: ReturnType<typeof makeRegistry>) => {
  const records = new Map<string, IssuedKey>()
  const lastUses = new Map<string, number>()
  const useOf = ({ digests, id }: IssuedKey): number =>
    digests.reduce(
      (latest, { digest }) => Math.max(latest, registry.entries.get(digest)?.lastUsedAtMs ?? 0),
      lastUses.get(id) ?? 0
    )
  return {
    records,
    /** Puts it in the place of an earlier version; a revoked one stays, and takes the place of any. */
    apply: (record: IssuedKey): void => {
      const before = records.get(record.id)
      if (before?.revokedAtMs !== undefined) return
      if (record.revokedAtMs === undefined && before !== undefined && before.version > record.version) return
      if (before !== undefined) lastUses.set(record.id, useOf(before))
      for (const { digest } of before?.digests ?? []) registry.entries.delete(digest)
      records.set(record.id, record)
      registry.close()
      if (record.revokedAtMs !== undefined) return
      const principal = principalOf(record)
      for (const { digest, untilMs } of record.digests) registry.entries.set(digest, { principal, untilMs })
    },
    saw: (id: string, atMs: number | undefined): void => {
      if (atMs !== undefined) lastUses.set(id, Math.max(atMs, lastUses.get(id) ?? 0))
    },
    uses: (): Map<string, number> =>
      new Map(
        [...records.values()].map((record) => [record.id, useOf(record)] as const).filter(([, atMs]) => atMs > 0)
      ),
    named: (name: string): IssuedKey | undefined =>
      records.get(name) ?? [...records.values()].find((record) => record.name === name),
    /** All that are good: of a name there are two where two workers were asked for it at once and no database said no. */
    good: (name: string): ReadonlyArray<IssuedKey> =>
      [...records.values()].filter((record) => record.name === name && record.revokedAtMs === undefined)
  }
}

const isFree = (name: string, settings: KeysSettings): boolean => settings.keys.every((key) => key.name !== name)

/** Stores what was used since the last time, now and then and at the end. */
const keepUses = Effect.fnUntraced(function*(store: KeyStore.KeyStore, uses: () => ReadonlyMap<string, number>) {
  if (store.kind === "memory") return
  const stored = new Map(uses())
  const flush = Effect.suspend(() => {
    const changed = new Map([...uses()].filter(([id, atMs]) => stored.get(id) !== atMs))
    if (changed.size === 0) return Effect.void
    return Effect.tap(store.used(changed), () => Effect.sync(() => changed.forEach((atMs, id) => stored.set(id, atMs))))
  })
  const quietly = Effect.catch(flush, ({ message }) => Effect.logWarning(message))
  yield* Effect.addFinalizer(() => quietly)
  yield* Effect.forkScoped(Effect.forever(Effect.delay(quietly, flushMs)))
})

const make = Effect.fnUntraced(function*(settings: KeysSettings) {
  const fleet = yield* Fleet
  const secret = settings.secret === undefined ? undefined : Redacted.value(settings.secret)
  const registry = makeRegistry(settings.keys, secret)
  const { apply, good, named, records, saw, uses } = makeBook(registry)
  const store = yield* openStore(settings.sql === undefined ? undefined : Redacted.value(settings.sql))
  yield* fleet.handle(topic, (body) =>
    Effect.map(decodeRecord(body), (record) => {
      apply(record)
      return null
    }))
  const ofFile = settings.keys.map(({ key, ...principal }) => ({
    principal,
    digest: registry.digest(Redacted.value(key)) ?? ""
  }))
  yield* fleet.handle(usesTopic, () =>
    Effect.sync(() => ({
      ...Object.fromEntries(
        ofFile.map(({ digest, principal }) => [fileId(principal), registry.entries.get(digest)?.lastUsedAtMs ?? 0])
      ),
      ...Object.fromEntries(uses())
    })))
  for (const { lastUsedAtMs, record } of yield* store.load) {
    apply(record)
    saw(record.id, lastUsedAtMs)
  }
  yield* keepUses(store, uses)

  const changes = yield* Semaphore.make(1)
  /** One at a time, and to its end: what is stored and not in force would be both, as long as this process runs. */
  const changing = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    changes.withPermit(Effect.uninterruptible(effect))

  const tell = (record: IssuedKey): Effect.Effect<unknown, GatewayError> => {
    // Apart from the others, so that what another worker says beside it does not take its place.
    const key = record.revokedAtMs === undefined ? record.id : `${record.id}:revoked`
    return Effect.mapError(
      fleet.broadcast({ topic, body: record, memos: [{ key, body: record }] }),
      ({ missing }) =>
        gatewayError(
          new InternalFailure({
            message: `Not every worker acknowledged: ${
              missing.map(({ worker, why }) => `${worker}: ${why}`).join("; ")
            }.`,
            code: "fleet_incomplete"
          })
        )
    )
  }

  /** A key that is revoked is so at once, also where that cannot be stored; of anything else nothing is in force that is not stored. */
  const change = Effect.fnUntraced(function*(record: IssuedKey) {
    if (record.revokedAtMs === undefined) {
      yield* Effect.mapError(store.put(record), notStored(""))
      apply(record)
      return yield* tell(record)
    }
    apply(record)
    const told = yield* Effect.exit(tell(record))
    yield* Effect.mapError(store.put(record), notStored(" It is revoked until the next start; try again."))
    return yield* told
  })

  const found = (name: string): Effect.Effect<IssuedKey, GatewayError> => {
    const record = named(name)
    if (record !== undefined) return Effect.succeed(record)
    return Effect.fail(
      isFree(name, settings)
        ? unknown(name)
        : refuse({ message: `The key ${name} stands in the configuration; change it there.`, code: "configured_key" })
    )
  }

  const digestOf = (text: string): string => registry.digest(text) ?? ""

  return Context.make(Keys, registry.keys).pipe(Context.add(
    IssuedKeys,
    IssuedKeys.of({
      kind: store.kind,
      list: Effect.gen(function*() {
        const replies = yield* fleet.gather({ topic: usesTopic, body: null })
        const seen = uses()
        for (const { body } of replies) {
          const told = yield* Effect.orElseSucceed(decodeUses(body), () => ({}))
          for (const [id, atMs] of Object.entries(told)) if (atMs > (seen.get(id) ?? 0)) seen.set(id, atMs)
        }
        const issued = [...records.values()].toSorted((left, right) => left.createdAtMs - right.createdAtMs)
        return [
          ...ofFile.map(({ principal }): ListedKey => ({
            principal,
            issued: undefined,
            lastUsedAtMs: seen.get(fileId(principal))
          })),
          ...issued.map((record): ListedKey => ({
            principal: principalOf(record),
            issued: record,
            lastUsedAtMs: seen.get(record.id)
          }))
        ]
      }),
      issue: Effect.fnUntraced(function*(wish: Wish) {
        if (named(wish.name) !== undefined || !isFree(wish.name, settings)) {
          return yield* Effect.fail(
            refuse({ message: `There is a key ${wish.name} already, or there was one.`, code: "key_exists" })
          )
        }
        const id = KeyText.makeId()
        const text = KeyText.makeText(id)
        const createdAtMs = yield* Clock.currentTimeMillis
        const record: IssuedKey = { ...wish, id, version: 1, digests: [{ digest: digestOf(text) }], createdAtMs }
        yield* change(record)
        return { record, text }
      }, changing),
      revoke: Effect.fnUntraced(function*(name: string) {
        const before = yield* found(name)
        const revokedAtMs = before.revokedAtMs ?? (yield* Clock.currentTimeMillis)
        const record = { ...before, version: before.version + 1, revokedAtMs }
        yield* change(record)
        for (const other of good(name)) yield* change({ ...other, version: other.version + 1, revokedAtMs })
        return record
      }, changing),
      rotate: Effect.fnUntraced(function*(name: string, graceMs: number) {
        const before = yield* found(name)
        if (before.revokedAtMs !== undefined) {
          return yield* Effect.fail(
            refuse({ message: `The key ${before.name} is revoked; issue another.`, code: "key_revoked" })
          )
        }
        const untilMs = (yield* Clock.currentTimeMillis) + graceMs
        const text = KeyText.makeText(before.id)
        const last = before.digests.at(-1)
        const kept = last === undefined || graceMs === 0 ? [] : [{ ...last, untilMs }]
        const record = { ...before, version: before.version + 1, digests: [...kept, { digest: digestOf(text) }] }
        yield* change(record)
        return { record, text }
      }, changing)
    })
  ))
})

/** The keys of the configuration and those that are issued. Fails where a SQLite file cannot be opened or read. */
export const layer = (settings: KeysSettings): Layer.Layer<Keys | IssuedKeys, StorageFailed, Fleet> =>
  Layer.effectContext(make(settings))
