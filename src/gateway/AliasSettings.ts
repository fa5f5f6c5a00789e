/** What the file says of an alias: its targets, and what is different for its requests. */
import * as Schema from "effect/Schema"
import { Capabilities } from "../domain/Model.ts"
import { type Limits, LimitsInput } from "../domain/Principal.ts"
import type { ParameterPolicy } from "../providers/Provider.ts"
import { type TimeoutSettings, TimeoutSettingsInput } from "../resilience/Deadline.ts"
import { type GuardSettings, GuardSettingsInput } from "../validation/Guard.ts"

/** One target of an alias: a provider's name in the file and the upstream's name of the model. */
interface TargetSettings {
  readonly provider: string
  readonly model: string
  /** Share of the traffic with `strategy: weighted`; default 1, 0 = only when the others have failed. */
  readonly weight: number
  /** What it can do, over what the catalogue knows. */
  readonly capabilities?: Capabilities | undefined
}

/** What a stream does that breaks after its first content. */
export type OnInterrupted = "error" | "resume" | "buffer"

/** What a caller's `model` stands for. */
export interface AliasSettings {
  /** `ordered`: always in the order written. `weighted`: the first is drawn by weight, so are those after it. Default ordered. */
  readonly strategy: "ordered" | "weighted"
  readonly targets: ReadonlyArray<TargetSettings>
  /**
   * `error`: one error event. `resume`: another try is joined to what was sent, where it agrees to the letter. `buffer`: nothing
   * is sent before the answer is whole. Default error.
   */
  readonly onInterrupted?: OnInterrupted | undefined
  /** For all its callers together; kept by admission. Default none. */
  readonly limits?: Limits | undefined
  /** Overrides of the defaults, in milliseconds. */
  readonly timeouts?: Partial<TimeoutSettings> | undefined
  /** What watches over its requests and answers. Default nothing. */
  readonly guards?: GuardSettings | undefined
  /** `reject`: a target that cannot be told all that the caller asks for is not asked. Default warn. */
  readonly parameters?: ParameterPolicy | undefined
}

export const AliasSettingsInput = Schema.Struct({
  strategy: Schema.optionalKey(Schema.Literals(["ordered", "weighted"])),
  targets: Schema.NonEmptyArray(Schema.Struct({
    provider: Schema.String.check(Schema.isNonEmpty()),
    model: Schema.String.check(Schema.isNonEmpty()),
    weight: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
    capabilities: Schema.optionalKey(Capabilities)
  })),
  stream: Schema.optionalKey(Schema.Struct({
    onInterrupted: Schema.optionalKey(Schema.Literals(["error", "resume", "buffer"]))
  })),
  limits: Schema.optionalKey(LimitsInput),
  timeouts: Schema.optionalKey(TimeoutSettingsInput),
  guards: Schema.optionalKey(GuardSettingsInput),
  parameters: Schema.optionalKey(Schema.Literals(["warn", "reject"]))
})
