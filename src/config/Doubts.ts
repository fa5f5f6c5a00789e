/**
 * What is allowed and can still never work: a key for a model that nobody serves, a budget without a price, a token that is not there.
 * For `check` and the banner; each may come right while the server runs, so none of it ends a start.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { makeBook, type PriceBook } from "../accounting/Cost.ts"
import type { StaticKey } from "../admission/Keys.ts"
import { rulesOf } from "../admission/Rules.ts"
import { CredentialRejected, gatewayError } from "../domain/GatewayError.ts"
import { mayCall } from "../domain/Principal.ts"
import { nearest, several } from "../domain/Suggestion.ts"
import { simulatedNames } from "../providers/SimulatedNames.ts"
import * as TokenFile from "../providers/TokenFile.ts"
import { deploymentDoubts } from "./DeploymentDoubts.ts"
import type { InactiveKey } from "./Inactive.ts"
import type { Settings } from "./Settings.ts"

/** One line about a key of the file. */
export type Doubt = InactiveKey

interface Served {
  /** Every name that callers may use and that is known. */
  readonly names: ReadonlyArray<string>
  /** `NAME/` of the providers that take any model. */
  readonly open: ReadonlyArray<string>
}

const servedBy = ({ models, providers }: Settings): Served => ({
  names: [
    ...Object.keys(models),
    ...providers.flatMap(({ kind, models, name }) =>
      (kind === "simulated" ? simulatedNames : models).flatMap((model) => [`${name}/${model}`, model])
    )
  ],
  open: providers.flatMap(({ kind, name }) => kind === "simulated" ? [] : [`${name}/`])
})

const isServed = (allowed: string, { names, open }: Served): boolean => {
  const isPattern = allowed.endsWith("*")
  const text = isPattern ? allowed.slice(0, -1) : allowed
  return names.some((name) => mayCall({ name: "", models: [allowed] }, name))
    || open.some((provider) => text.startsWith(provider) || (isPattern && provider.startsWith(text)))
}

const modelDoubts = ({ models = [] }: StaticKey, path: string, served: Served): ReadonlyArray<Doubt> =>
  models.filter((allowed) => !isServed(allowed, served)).map((allowed) => {
    const near = nearest(allowed, served.names)
    return {
      path: `${path}.models`,
      why: `${JSON.stringify(allowed)} names nothing that is served${
        near === undefined ? "" : `; did you mean ${near}?`
      }`
    }
  })

/** Targets of an alias without a price, which a budget needs of every one. */
const unpricedOf = (targets: Settings["models"][string]["targets"], book: PriceBook, nowMs: number) =>
  targets.filter(({ model, provider }) =>
    "absent" in book.costOf(provider, model, { promptTokens: 1, completionTokens: 1, totalTokens: 2 }, nowMs)
  ).map(({ model, provider }) => `${provider}/${model}`)

const budgetDoubts = (
  { models }: Settings,
  path: string,
  isCalled: (alias: string) => boolean,
  unpriced: (targets: Settings["models"][string]["targets"]) => ReadonlyArray<string>
): ReadonlyArray<Doubt> => {
  const found = Object.entries(models).filter(([alias]) => isCalled(alias))
    .map(([alias, { targets }]) => ({ alias, targets: unpriced(targets) }))
    .filter(({ targets }) => targets.length > 0)
  if (found.length === 0) return []
  const targets = [...new Set(found.flatMap(({ targets }) => targets))]
  return [{
    path,
    why: `every request for ${
      several(found.map(({ alias }) => alias))
    } is refused (403 model_unpriced): no price is known of `
      + `${several(targets)}; set providers.NAME.prices, or server.budgets.unpriced: allow`
  }]
}

/** Characters below which a key can be guessed; `server.keySecret` has the same bound. */
const shortest = 16

const shortKeys = ({ server: { adminKey, keys } }: Settings): ReadonlyArray<Doubt> => {
  const named = [
    ...keys.map(({ key }, index) => [`server.keys[${index}]`, key] as const),
    ...(adminKey === undefined ? [] : [["server.adminKey", adminKey] as const])
  ]
  return named.filter(([, key]) => Redacted.value(key).length < shortest).map(([path]) => ({
    path,
    why: `can be guessed: it has fewer than ${shortest} characters; make one with openssl rand -hex 32`
  }))
}

const keyDoubts = (settings: Settings, nowMs: number): ReadonlyArray<Doubt> => {
  const { budgets, keys } = settings.server
  const served = servedBy(settings)
  const book = makeBook(settings.providers)
  const unpriced = (targets: Settings["models"][string]["targets"]) => unpricedOf(targets, book, nowMs)
  const ofBudgets = budgets.unpriced === "allow" ? [] : [
    ...budgets.total === undefined ? [] : budgetDoubts(settings, "server.budgets.total", () => true, unpriced),
    ...keys.flatMap((key, index) =>
      rulesOf(key, budgets.tags ?? {}).purses.length === 0
        ? []
        : budgetDoubts(settings, `server.keys[${index}].budget`, (alias) => mayCall(key, alias), unpriced)
    )
  ]
  const ofKeys = keys.flatMap((key, index): ReadonlyArray<Doubt> => {
    const path = `server.keys[${index}]`
    const isPast = key.expiresAtMs !== undefined && key.expiresAtMs <= nowMs
    return [
      ...modelDoubts(key, path, served),
      ...(isPast ? [{ path: `${path}.expires`, why: "is past: the key is refused" }] : [])
    ]
  })
  return [...shortKeys(settings), ...ofKeys, ...ofBudgets]
}

const stop = gatewayError(new CredentialRejected({ message: "Nobody is asked." }))

/** Whether the provider would find a token in its file now. */
const holdsToken = (provider: string, file: string): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    let found = false
    const { endpoint } = yield* TokenFile.open(provider, file)
    yield* Effect.ignore(endpoint(() => {
      found = true
      return Effect.fail(stop)
    }))
    return found
  }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"))

const tokenDoubts = ({ providers }: Settings): Effect.Effect<ReadonlyArray<Doubt>> =>
  Effect.map(
    Effect.forEach(providers, ({ name, tokenFile }) =>
      tokenFile === undefined ?
        Effect.succeed([]) :
        Effect.map(
          holdsToken(name, tokenFile),
          (holds) => holds ? [] : [{ path: `providers.${name}.tokenFile`, why: `no token yet in ${tokenFile}` }]
        )),
    (found) => found.flat()
  )

/** Everything of these settings that can not work now, keys first. */
export const doubtsOf = Effect.fnUntraced(function*(settings: Settings) {
  const nowMs = yield* Clock.currentTimeMillis
  return [...keyDoubts(settings, nowMs), ...deploymentDoubts(settings), ...(yield* tokenDoubts(settings))]
})
