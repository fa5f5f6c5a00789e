/**
 * Whether a caller may proceed: what its key may call, and then one call to the desk for rates, requests at once and money. For a
 * caller, a model and a house without limits there is no call at all.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ledger } from "../accounting/Ledger.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { PicoUsd } from "../domain/Money.ts"
import { type Budget, type Limits, mayCall, type Principal } from "../domain/Principal.ts"
import { type Balance, windowAt } from "./Budget.ts"
import { Desk, type DeskFailed, type Order, type Use } from "./Desk.ts"
import * as History from "./History.ts"
import type { Line } from "./RateLimit.ts"
import { away, errorOf, noModel, unpriced } from "./Refused.ts"
import { type Asked, none, purseOf, type Rules, rulesOf, sizeOf } from "./Rules.ts"

export interface AdmissionSettings {
  /** Limits of an alias, for all its callers together. Default none. */
  readonly models: Readonly<Record<string, Limits>>
  /** What everybody together may spend. Default absent = no limit. */
  readonly total: Budget | undefined
  /** What the keys with a tag may spend together, by tag. Default none. */
  readonly tags: Readonly<Record<string, Budget>>
  /** Whether a request that a budget rules may go to a target whose price is not known. Default refuse. */
  readonly unpriced: "refuse" | "allow"
  /** Of a request whose use nobody told, because its caller left in the middle: what was reserved counts, or nothing. Default charge. */
  readonly untold: "charge" | "release"
  /** When what is counted cannot be reached: `open` lets requests pass. Default open for limits, closed for budgets. */
  readonly whenAway: { readonly limits: "open" | "closed"; readonly budgets: "open" | "closed" }
}

export const defaultAdmissionSettings: AdmissionSettings = {
  models: {},
  total: undefined,
  tags: {},
  unpriced: "refuse",
  untold: "charge",
  whenAway: { limits: "open", budgets: "closed" }
}

/** What a request was granted. */
export interface Pass {
  /** What counts for a part of the request whose use nobody told. */
  readonly untold: PicoUsd
  /** Gives back what was held and counts what was used; exactly once. */
  readonly leave: (use: Use) => Effect.Effect<void>
}

export class Admission extends Context.Service<Admission, {
  /** Why the caller may not put this in `model`; the same words as for a model that does not exist. */
  readonly closed: (caller: Principal | undefined, model: string) => GatewayError | undefined
  /** Whether there is anything to ask for at all. */
  readonly isLimited: (caller: Principal | undefined, model: string) => boolean
  /** What stands of the callers' own budgets; undefined = none, or nothing is known of it. */
  readonly balances: (callers: ReadonlyArray<Principal>) => Effect.Effect<ReadonlyArray<Balance | undefined>>
  /** Everything that the request needs, or nothing. Run it where it cannot be interrupted, and leave the pass. */
  readonly enter: (asked: Asked) => Effect.Effect<Pass, GatewayError>
}>()("breakwater/admission/Admission") {}

const make = Effect.fnUntraced(function*(settings: AdmissionSettings) {
  const desk = yield* Desk
  const ledger = yield* Effect.serviceOption(Ledger)
  const history = History.over(ledger._tag === "Some" ? ledger.value : undefined)
  const { unpriced: onUnpriced, untold, whenAway } = settings
  const total = settings.total === undefined ? undefined : purseOf("total", settings.total)
  const ofModels = new Map(
    Object.entries(settings.models).map(([alias, limits]): [string, Line] => [
      alias,
      { ...limits, name: `model:${alias}` }
    ])
  )
  const ofAll: Rules = total === undefined ? none : { lines: [], purses: [total] }
  /** With what everybody is ruled by. */
  const known = new WeakMap<Principal, Rules>()
  const rules = (caller: Principal): Rules => {
    const found = known.get(caller)
    if (found !== undefined) return found
    const own = rulesOf(caller, settings.tags)
    const made = total === undefined ? own : { lines: own.lines, purses: [...own.purses, total] }
    known.set(caller, made)
    return made
  }
  let last = 0

  /** As a whole, or as much of it as may pass while what is counted cannot be reached. */
  const ask = (order: Order, note: Asked["note"], isTold: boolean): Effect.Effect<void, GatewayError> => {
    const failed = ({ isTold, message }: DeskFailed): Effect.Effect<void, GatewayError> => {
      const log = isTold === true ? Effect.logDebug : Effect.logWarning
      return (order.purses.length > 0 && whenAway.budgets === "closed")
          || (order.lines.length > 0 && whenAway.limits === "closed")
        ? Effect.andThen(log(`requests with limits are refused: ${message}`), Effect.fail(away))
        : log(`limits are not enforced: ${message}`)
    }
    return Effect.matchEffect(desk.enter(order), {
      onFailure: failed,
      onSuccess: (outcome): Effect.Effect<void, GatewayError> => {
        if ("granted" in outcome) {
          note(outcome.granted)
          return Effect.void
        }
        if ("refused" in outcome) {
          note(outcome.standings)
          return Effect.fail(errorOf(outcome.refused, order.bound))
        }
        if (isTold) return failed({ _tag: "DeskFailed", message: "what was spent before is not known" })
        return Effect.matchEffect(Effect.flatMap(history(outcome.unknown), desk.tell), {
          onFailure: failed,
          onSuccess: () => ask(order, note, true)
        })
      }
    })
  }

  const enter = (asked: Asked): Effect.Effect<Pass, GatewayError> => {
    const { caller, request } = asked
    const { lines: own, purses } = caller === undefined ? ofAll : rules(caller)
    const ofModel = ofModels.get(request.model)
    const lines = ofModel === undefined ? own : [...own, ofModel]
    const { bound, tokens } = sizeOf(asked)
    if (bound === undefined && purses.length > 0 && onUnpriced === "refuse") return Effect.fail(unpriced)
    const order: Order = { id: `${++last}`, lines, purses, tokens, bound: bound ?? 0 }
    const pass: Pass = {
      untold: untold === "charge" ? order.bound : 0,
      leave: (use) => desk.leave(order.id, use)
    }
    return Effect.as(ask(order, asked.note, false), pass)
  }

  /** What the desk knows and, of purses that it was not asked for yet, what the ledger does. */
  const balancesOf = Effect.fnUntraced(function*(callers: ReadonlyArray<Principal>) {
    const purses = callers.map(({ budget, name }) => ({ name: `key:${name}`, per: budget?.per ?? "day" } as const))
    const balances = yield* desk.balances(purses)
    const nowMs = yield* Clock.currentTimeMillis
    const unknown = purses.flatMap(({ name, per }, at) =>
      balances[at] === undefined && callers[at]?.budget !== undefined
        ? [{ name, per, sinceMs: windowAt(per, nowMs).startMs }]
        : []
    )
    const told = new Map((yield* history(unknown)).map(({ name, spent }) => [name, spent]))
    return purses.map(({ name, per }, at): Balance | undefined => {
      const spent = told.get(name)
      return spent === undefined ? balances[at] : { spent, reserved: 0, endMs: windowAt(per, nowMs).endMs }
    })
  })

  return Admission.of({
    closed: (caller, model) => caller === undefined || mayCall(caller, model) ? undefined : noModel(model),
    isLimited: (caller, model) =>
      total !== undefined || (caller !== undefined && rules(caller) !== none) || ofModels.has(model),
    enter,
    balances: (callers) => Effect.orElseSucceed(balancesOf(callers), () => [])
  })
})

/** Admission at a desk; what was spent before a start is asked of the ledger, if there is one. */
export const layer = (settings: Partial<AdmissionSettings> = {}): Layer.Layer<Admission, never, Desk> =>
  Layer.effect(Admission, make({ ...defaultAdmissionSettings, ...settings }))
