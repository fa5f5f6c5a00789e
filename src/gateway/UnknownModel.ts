/** What a caller is told whose `model` leads nowhere: the name that was probably meant, or what would switch its provider on. */
import { type GatewayError, gatewayError, ModelNotFound } from "../domain/GatewayError.ts"
import { mayCall, type Principal } from "../domain/Principal.ts"
import { nearest } from "../domain/Suggestion.ts"
import { builtKinds, requiredKey } from "../providers/Presets.ts"
import type { Provider } from "../providers/Provider.ts"

/** How many names a message has at most. */
const shownNames = 8
/** Longest name of a caller's that is told back, in characters. */
const shownLength = 100

const some = (names: Iterable<string>): string => [...names].slice(0, shownNames).join(", ")

const shown = (name: string): string => name.length > shownLength ? `${name.slice(0, shownLength)}…` : name

const switchedOn = (kind: string): string => {
  const keyName = requiredKey(kind, undefined)
  return keyName === undefined
    ? `The gateway has no provider \`${kind}\`; a section \`providers.${kind}\` in its file adds it.`
    : `The gateway has no provider \`${kind}\`: ${keyName} switches it on where the file has no \`providers\`, else a section `
      + `\`providers.${kind}\` does.`
}

const advice = (model: string, providers: ReadonlyMap<string, Provider>, known: Iterable<string>): string => {
  const slash = model.indexOf("/")
  const left = slash < 1 ? "" : model.slice(0, slash)
  const named = providers.get(left)
  if (named !== undefined) return `The models of \`${left}\` are ${named.models.join(", ")}.`
  if (builtKinds.includes(left)) return switchedOn(left)
  const open = [...providers.values()].filter(({ hasOnlyListed }) => hasOnlyListed !== true)
  const candidates = open.map(({ name }) => `${name}/${shown(model)}`)
  return candidates.length === 0
    ? `Ask for an alias, a provider's model as provider/model, or one of: ${some(known)}.`
    : `If it is a provider's, say whose: ${some(candidates)}. Known here: ${some(known)}.`
}

const withoutProvider = (name: string): string => name.slice(name.indexOf("/") + 1)

/** The name that was probably meant; a caller's text that is too long to be one is not measured. */
const meant = (model: string, known: ReadonlyArray<string>): string => {
  if (model.length > shownLength) return ""
  const bare = nearest(model, known.map(withoutProvider))
  const near = nearest(model, known) ?? known.find((name) => withoutProvider(name) === bare)
  return near === undefined ? "" : `Did you mean \`${near}\`? `
}

const notFound = (message: string): GatewayError => gatewayError(new ModelNotFound({ message, param: "model" }))

/** Who is told; undefined = anybody. */
export type Caller = Principal | undefined

/** A key that may not call every model learns no name that it may not use, and of no provider. */
const unknownTo = (caller: Principal, model: string, known: ReadonlyArray<string>): GatewayError =>
  notFound(
    `The model \`${shown(model)}\` does not exist or this key may not call it. `
      + `${meant(model, known.filter((name) => mayCall(caller, name)))}GET /v1/models lists what it may.`
  )

/** Plain words for the 404; `known` are the names to choose from, the likeliest first. */
export const unknownModel = (
  model: string,
  providers: ReadonlyMap<string, Provider>,
  known: ReadonlyArray<string>,
  caller: Caller
): GatewayError =>
  caller?.models !== undefined ? unknownTo(caller, model, known) : notFound(
    `The model \`${shown(model)}\` does not exist here. ${meant(model, known)}${advice(model, providers, known)} `
      + "GET /v1/models lists what is known."
  )
