/** The `models` section: what callers put in `model`, and the targets behind it. */
import * as Schema from "effect/Schema"
import { type TimeoutSettings, TimeoutSettingsInput } from "./FlowSections.ts"

export interface TargetSection {
  /** Name of a provider of the file. */
  readonly provider: string
  /** The upstream's name of the model. */
  readonly model: string
  /** Share among the targets of a weighted alias. Default 1. */
  readonly weight: number
  /** What the target is declared to do or not to do; absent key = not declared. */
  readonly capabilities: Readonly<Record<string, boolean>>
}

export interface AliasSection {
  readonly alias: string
  /** Default `ordered`. */
  readonly strategy: "ordered" | "weighted"
  readonly targets: ReadonlyArray<TargetSection>
  /** What a stream does that breaks after its first content. Default `error`. */
  readonly stream: { readonly onInterrupted: "error" | "resume" | "buffer" }
  readonly timeouts: TimeoutSettings
}

const TargetInput = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  weight: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  capabilities: Schema.optionalKey(Schema.Record(Schema.String, Schema.Boolean))
})

export const AliasSectionInput = Schema.Struct({
  strategy: Schema.optionalKey(Schema.Literals(["ordered", "weighted"])),
  targets: Schema.Array(TargetInput),
  stream: Schema.optionalKey(Schema.Struct({
    onInterrupted: Schema.optionalKey(Schema.Literals(["error", "resume", "buffer"]))
  })),
  timeouts: Schema.optionalKey(TimeoutSettingsInput)
})
