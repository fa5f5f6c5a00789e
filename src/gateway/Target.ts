/** One provider's model as something that can be asked, with the machines that guard it. The label `provider/model` is from the file. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import {
  CredentialRejected,
  Overloaded,
  QuotaExhausted,
  RateLimited,
  type Reason,
  UpstreamModelMissing
} from "../domain/GatewayError.ts"
import type { Provider } from "../providers/Provider.ts"
import { Providers } from "../providers/Providers.ts"
import type { Concurrency } from "../resilience/AdaptiveLimit.ts"
import * as Bulkhead from "../resilience/Bulkhead.ts"
import * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import * as Cooldown from "../resilience/Cooldown.ts"
import type { Credentials } from "../resilience/Credential.ts"
import * as RetryBudget from "../resilience/RetryBudget.ts"

export interface Target {
  /** `provider/model`, or `provider/*` for models that the file does not name. */
  readonly name: string
  readonly provider: Provider
  readonly model: string
  readonly guards: Guards
}

/** What decides whether a target is asked; targets outside the file share their provider's. */
export interface Guards {
  readonly name: string
  readonly breaker: CircuitBreaker.CircuitBreaker
  readonly bulkhead: Bulkhead.Bulkhead
  readonly budget: RetryBudget.RetryBudget
  /** By model, for a limit binds one. */
  readonly cooldown: Cooldown.Cooldown
  /** Its provider's, shared by all of the provider's targets; absent = it has none. */
  readonly credentials: Credentials | undefined
  /** Tells the listener what happened to one of these machines. */
  readonly tell: (change: GuardChange) => Effect.Effect<void>
  /** Tag of the reason of the last failure. */
  lastError: string | undefined
  /** The last change of the circuit; absent = it is closed since the start. */
  lastChange: CircuitChange | undefined
}

/** What brought a circuit into its state. */
export interface CircuitChange {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly cause: string
  /** While it is open or half-open: why it was opened, and the tag of the last failure before that. */
  readonly openedBy: string | undefined
}

export interface GuardSettings {
  readonly breaker: CircuitBreaker.BreakerSettings
  /** Tokens of the retry budget of a target; default 100. */
  readonly retryBudget: number
  /** By provider name: how many requests may be in flight per target, and overrides of the breaker. */
  readonly perProvider: Readonly<
    Record<string, {
      readonly maxConcurrency?: Concurrency | undefined
      readonly breaker?: Partial<CircuitBreaker.BreakerSettings> | undefined
    }>
  >
}

export class Targets extends Context.Service<Targets, {
  /** A target that the file names; made once, dies if the provider is unknown. */
  readonly named: (provider: string, model: string) => Effect.Effect<Target>
  /** A target that a caller names; absent if there is no such provider. Guards are shared per provider, so their number is bounded. */
  readonly adHoc: (provider: string, model: string) => Target | undefined
  /** What the providers list themselves. */
  readonly listed: ReadonlyArray<Target>
  /** Everything that has guards, for operators. */
  readonly guards: Effect.Effect<ReadonlyArray<Guards>>
}>()("breakwater/gateway/Target/Targets") {}

/** One of a target's machines went from one state to another. `cause` is the breaker's, a reason's tag, or `control`. */
export interface GuardChange {
  readonly machine: "circuit" | "cooldown" | "credential"
  readonly from: string
  readonly to: string
  readonly cause: string
  /** What the operator gave for it. */
  readonly reason?: string | undefined
}

export interface ChangeListener {
  (target: string, change: GuardChange): Effect.Effect<void>
}

/** Whether a target may be asked, as far as its own word goes; two comparisons while nothing is wrong. */
export const isAvailable = ({ guards, model }: Target, nowMs: number): boolean =>
  guards.cooldown.remaining(model, nowMs) === 0 && guards.credentials?.death(model, nowMs) === undefined

/** Whether a target could answer if it were asked now: it is available, and its circuit would let a call pass. */
export const couldAnswer = (target: Target, nowMs: number): boolean =>
  isAvailable(target, nowMs) && target.guards.breaker.wouldAdmit(nowMs)

/** Why a target is not asked, for the record and for the caller if there is no other; undefined where it is available. */
export const refusalOf = (
  { guards, model, name }: Target,
  nowMs: number
): { readonly why: string; readonly reason: Reason } | undefined => {
  const death = guards.credentials?.death(model, nowMs)
  const retryAfterMs = Math.ceil(guards.cooldown.remaining(model, nowMs))
  if (death === undefined && retryAfterMs === 0) return undefined
  const resting = { message: `${name} has asked for a pause of another ${retryAfterMs} ms.`, retryAfterMs }
  switch (death ?? guards.cooldown.why(model, nowMs)) {
    case "rejected":
      return {
        why: "credential rejected",
        reason: new CredentialRejected({ message: `No credential of the gateway for ${name} is accepted any more.` })
      }
    case "quota":
      return {
        why: "quota exhausted",
        reason: new QuotaExhausted({
          message: `The gateway's quota with ${name} is used up.`,
          retryAfterMs: Math.ceil(guards.credentials?.waitMs(model, nowMs) ?? 0)
        })
      }
    case "QuotaExhausted":
      return { why: "cooling down", reason: new QuotaExhausted(resting) }
    case "RateLimited":
      return { why: "cooling down", reason: new RateLimited(resting) }
    case "UpstreamModelMissing":
      return {
        why: "model missing",
        reason: new UpstreamModelMissing({ ...resting, message: `${name} does not have the model, it said lately.` })
      }
    default:
      return { why: "cooling down", reason: new Overloaded(resting) }
  }
}

const noteChange = (guards: Guards, to: string, cause: string, atMs: number): void => {
  const { lastChange, lastError } = guards
  const opened = lastError === undefined ? cause : `${cause}: ${lastError}`
  const openedBy = to === "open" ? opened : to === "half-open" ? lastChange?.openedBy : undefined
  guards.lastChange = { atMs, cause, openedBy }
}

const make = Effect.fnUntraced(function*(settings: GuardSettings, onChange: ChangeListener) {
  const { providers } = yield* Providers
  const scope = yield* Effect.scope
  const known = new Map<string, Target>()
  const shared = new Map<string, Guards>()

  const makeGuards = Effect.fnUntraced(function*(name: string, provider: string) {
    const own = settings.perProvider[provider]
    const tell = (change: GuardChange) => onChange(name, change)
    const guards: Guards = {
      name,
      tell,
      cooldown: Cooldown.make(),
      credentials: providers.get(provider)?.credentials,
      breaker: yield* CircuitBreaker.make(
        { ...settings.breaker, ...own?.breaker },
        (transition) =>
          Effect.clockWith((clock) => {
            const { cause, from, to } = transition
            if (from !== to) noteChange(guards, to, cause, clock.currentTimeMillisUnsafe())
            return tell({ machine: "circuit", ...transition })
          })
      ),
      bulkhead: yield* Scope.provide(Bulkhead.make({ maxConcurrency: own?.maxConcurrency }), scope),
      budget: yield* RetryBudget.make(settings.retryBudget),
      lastError: undefined,
      lastChange: undefined
    }
    return guards
  })

  const named = Effect.fnUntraced(function*(providerName: string, model: string) {
    const name = `${providerName}/${model}`
    const found = known.get(name)
    if (found !== undefined) return found
    const provider = providers.get(providerName)
    if (provider === undefined) {
      return yield* Effect.die(`the target ${name} names the provider ${providerName}, which is not configured`)
    }
    const target: Target = { name, provider, model, guards: yield* makeGuards(name, providerName) }
    known.set(name, target)
    return target
  })

  const listed: Array<Target> = []
  for (const provider of providers.values()) {
    shared.set(provider.name, yield* makeGuards(`${provider.name}/*`, provider.name))
    for (const model of provider.models) listed.push(yield* named(provider.name, model))
  }

  const adHoc = (providerName: string, model: string): Target | undefined => {
    const found = known.get(`${providerName}/${model}`)
    if (found !== undefined) return found
    const provider = providers.get(providerName)
    const guards = shared.get(providerName)
    if (provider === undefined || guards === undefined || model === "") return undefined
    return { name: guards.name, provider, model, guards }
  }

  return Targets.of({
    named,
    adHoc,
    listed,
    guards: Effect.sync(() => [...[...known.values()].map((target) => target.guards), ...shared.values()])
  })
})

/** `onChange` hears every change of a breaker's state, and of the other machines what the flow and operators do to them. */
export const layer = (
  settings: GuardSettings,
  onChange: ChangeListener = () => Effect.void
): Layer.Layer<Targets, never, Providers> => Layer.effect(Targets, make(settings, onChange))
