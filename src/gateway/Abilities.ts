/** What is known of the targets of a route, gathered once when the route is made, so that a request pays nothing where nothing is. */
import type { Capabilities } from "../domain/Model.ts"
import { saidOf } from "../domain/ModelName.ts"
import { capabilitiesOf } from "../providers/Catalogue.ts"
import type { Target } from "./Target.ts"

/** What a request may need that a model may not have. */
export const needed = ["vision", "tools", "jsonSchema", "prefill", "sampling"] as const
export type Needed = (typeof needed)[number]

export interface Abilities {
  readonly of: ReadonlyMap<Target, Capabilities>
  /** What at least one of them is known not to have. */
  readonly missing: ReadonlyArray<Needed>
  /** The smallest context of any of them, in tokens; infinite where none is known. */
  readonly narrowest: number
  /** The shortest that an answer of any of them may be at most, in tokens; infinite where none is known. */
  readonly tersest: number
}

/** Their dialects leave out the sampling that a model does not take, and say so: a request needs nothing there. */
const lowering: ReadonlySet<string> = new Set(["anthropic", "bedrock"])
/** Theirs do for the models that the catalogue knows, and not for those of which only the file says so. */
const loweringKnown: ReadonlySet<string> = new Set(["openai", "azure-openai"])

const known = ({ model, provider }: Target): Capabilities =>
  capabilitiesOf(provider.kind, saidOf(provider, model) ?? model)

const leavesOutSampling = (target: Target): boolean => {
  const { kind } = target.provider
  if (!loweringKnown.has(kind)) return lowering.has(kind)
  const { reasoning, sampling } = known(target)
  return reasoning === true && sampling === false
}

/** What the catalogue knows of a target, and over it what the file says. */
export const ofTarget = (target: Target, written?: Capabilities): Capabilities => ({
  ...known(target),
  ...written
})

/** Whether it is known of the target that it has not what the name says. */
export const isWithout = ({ of }: Pick<Abilities, "of">, target: Target, name: Needed): boolean =>
  of.get(target)?.[name] === false && !(name === "sampling" && leavesOutSampling(target))

/** Undefined where every request could go to each of them, as far as is known. */
export const gather = (of: ReadonlyMap<Target, Capabilities>): Abilities | undefined => {
  const all = [...of.values()]
  const missing = needed.filter((name) => [...of.keys()].some((target) => isWithout({ of }, target, name)))
  const narrowest = Math.min(...all.map(({ context = Number.POSITIVE_INFINITY }) => context))
  const tersest = Math.min(...all.map(({ maxOutput = Number.POSITIVE_INFINITY }) => maxOutput))
  return missing.length === 0 && Math.min(narrowest, tersest) === Number.POSITIVE_INFINITY
    ? undefined
    : { of, missing, narrowest, tersest }
}

/** Whether a request that was too long for one target may fit the other: only what is known to be larger is worth a try. */
export const isLarger = ({ of }: Abilities, other: Target, than: Target): boolean => {
  const context = of.get(other)?.context
  return context !== undefined && context > (of.get(than)?.context ?? 0)
}
