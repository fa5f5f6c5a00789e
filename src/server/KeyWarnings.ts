/** What the operator who issues a key may not expect: the first one ends open access, and a model may be misspelt. */
import * as Effect from "effect/Effect"
import { Keys } from "../admission/Keys.ts"
import { Routes } from "../gateway/Route.ts"

const closes =
  "until now nobody needed a key; from now on every request to /v1 without one is refused, and stays so when this one is revoked"

/** Of a key for these models, asked before it is issued; absent = every model. */
export const warnings = Effect.gen(function*() {
  const [keys, routes] = [yield* Keys, yield* Routes]
  const isServed = Effect.fnUntraced(function*(allowed: string) {
    const prefix = allowed.endsWith("*") ? allowed.slice(0, -1) : undefined
    if (prefix !== undefined && (yield* routes.models).some(({ id }) => id.startsWith(prefix))) return true
    // Any name after `provider/` is one of its models.
    const route = routes.describe(prefix === undefined ? allowed : `${prefix}x`)
    return yield* Effect.match(route, { onFailure: () => false, onSuccess: () => true })
  })
  return Effect.fnUntraced(function*(models: ReadonlyArray<string> = []) {
    const wasOpen = keys.isOpen()
    const served = yield* Effect.forEach(models, isServed)
    return [
      ...models.filter((_, at) => served[at] === false).map((name) =>
        `${JSON.stringify(name)} names nothing that is served now`
      ),
      ...(wasOpen ? [closes] : [])
    ]
  })
})
