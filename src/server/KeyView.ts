/** A client key as its operator sees it: without its text, with what is left of its budget; and what one who issues it may not expect. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Admission } from "../admission/Admission.ts"
import type { Balance } from "../admission/Budget.ts"
import type { IssuedKeys, ListedKey } from "../admission/IssuedKeys.ts"
import { Keys } from "../admission/Keys.ts"
import { gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import { type IssuedKey, principalOf } from "../domain/IssuedKey.ts"
import { toUsd } from "../domain/Money.ts"
import { Routes } from "../gateway/Route.ts"

const iso = (atMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(atMs))

const withMoment = (name: string, atMs: number | undefined): Readonly<Record<string, string>> =>
  atMs === undefined ? {} : { [name]: iso(atMs) }

const stateOf = ({ issued, principal }: ListedKey, nowMs: number): "active" | "expired" | "revoked" =>
  issued?.revokedAtMs !== undefined
    ? "revoked"
    : nowMs >= (principal.expiresAtMs ?? Number.POSITIVE_INFINITY)
    ? "expired"
    : "active"

const shown = (key: ListedKey, balance: Balance | undefined, nowMs: number) => {
  const { issued, lastUsedAtMs, principal: { budget, expiresAtMs, limits, models, name, tags } } = key
  return {
    name,
    ...(issued === undefined ? {} : { id: issued.id }),
    source: issued === undefined ? "file" : "issued",
    state: stateOf(key, nowMs),
    ...(models === undefined ? {} : { models }),
    ...(limits === undefined ? {} : { limits }),
    ...(budget === undefined ? {} : {
      budget: {
        usd: toUsd(budget.limit),
        per: budget.per,
        soft: budget.soft,
        ...(balance === undefined
          ? {}
          : { spent_usd: toUsd(balance.spent), reserved_usd: toUsd(balance.reserved) })
      }
    }),
    ...(tags === undefined || tags.length === 0 ? {} : { tags }),
    ...withMoment("created", issued?.createdAtMs),
    ...withMoment("expires", expiresAtMs),
    ...withMoment("revoked", issued?.revokedAtMs),
    ...withMoment("last_used", lastUsedAtMs)
  }
}

/** A key as it stands after a change, with its text if it has a new one; its balance is the list's to tell. */
export const changed = (record: IssuedKey, text?: string) =>
  Effect.map(Clock.currentTimeMillis, (nowMs) => ({
    ...shown({ principal: principalOf(record), issued: record, lastUsedAtMs: undefined }, undefined, nowMs),
    ...(text === undefined ? {} : { key: text })
  }))

/** Every key, with what stands of its budget where there is admission. */
export const all = Effect.fnUntraced(function*(
  keys: IssuedKeys["Service"],
  admission: Admission["Service"] | undefined
) {
  const listed = yield* keys.list
  const balances = yield* admission?.balances(listed.map(({ principal }) => principal)) ?? Effect.succeed([])
  const nowMs = yield* Clock.currentTimeMillis
  return { store: keys.kind, keys: listed.map((key, at) => shown(key, balances[at], nowMs)) }
})

const pastExpiry = gatewayError(
  new InvalidRequest({
    message: "Invalid 'expires': expected a day or moment to come, for a key that has ended is of no use.",
    param: "expires"
  })
)

const closes =
  "until now nobody needed a key; from now on every request to /v1 without one is refused, and stays so when this one is revoked"

const passing =
  "issued keys are in this server's memory and gone at its stop; storage.sql: sqlite:FILE keeps them, or " +
  "write a key that has to stay into server.keys"

/**
 * What the operator who issues a key for these models (absent = all) until this moment may not expect, asked before it is issued: the
 * first one ends open access, a model may be misspelt, and it may not last. Fails for a moment that is past.
 */
export const warnings = Effect.gen(function*() {
  const [keys, routes] = [yield* Keys, yield* Routes]
  const isServed = Effect.fnUntraced(function*(allowed: string) {
    const prefix = allowed.endsWith("*") ? allowed.slice(0, -1) : undefined
    if (prefix !== undefined && (yield* routes.models).some(({ id }) => id.startsWith(prefix))) return true
    // Any name after `provider/` is one of its models.
    const route = routes.describe(prefix === undefined ? allowed : `${prefix}x`)
    return yield* Effect.match(route, { onFailure: () => false, onSuccess: () => true })
  })
  return Effect.fnUntraced(function*(
    kind: IssuedKeys["Service"]["kind"],
    models: ReadonlyArray<string> = [],
    expiresAtMs = Number.POSITIVE_INFINITY
  ) {
    if (expiresAtMs <= (yield* Clock.currentTimeMillis)) return yield* Effect.fail(pastExpiry)
    const wasOpen = keys.isOpen()
    const served = yield* Effect.forEach(models, isServed)
    return [
      ...models.filter((_, at) => served[at] === false).map((name) =>
        `${JSON.stringify(name)} names nothing that is served now`
      ),
      ...(wasOpen ? [closes] : []),
      ...(kind === "memory" ? [passing] : [])
    ]
  })
})
