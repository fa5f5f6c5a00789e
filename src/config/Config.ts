/**
 * One schema for the whole configuration file, and the way from a parsed document to settings: replace `${NAME}`, decode,
 * cross-check. Every flaw is reported at once, never just the first.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AliasSettingsInput } from "../gateway/AliasSettings.ts"
import { crossCheck } from "./CrossCheck.ts"
import { DefaultsSectionInput } from "./DefaultsSection.ts"
import { type InactiveKey, inactiveKeys } from "./Inactive.ts"
import { ConfigurationRefused, type Flaw, flaws, fromFlaw, renderPath, valueAt } from "./Problem.ts"
import { ImagesSectionInput, ProviderSectionInput } from "./ProviderSection.ts"
import { ServerSectionInput, ValidationSectionInput } from "./ServerSection.ts"
import { type Settings, toSettings } from "./Settings.ts"
import { substitute } from "./Substitution.ts"
import { StorageSectionInput, TelemetrySectionInput } from "./TelemetrySection.ts"

/** The whole file. All keys are optional; what is absent has the default of its room. */
export const ConfigurationFile = Schema.Struct({
  server: Schema.optionalKey(ServerSectionInput),
  providers: Schema.optionalKey(Schema.Record(Schema.String, ProviderSectionInput)),
  models: Schema.optionalKey(Schema.Record(Schema.String, AliasSettingsInput)),
  defaults: Schema.optionalKey(DefaultsSectionInput),
  validation: Schema.optionalKey(ValidationSectionInput),
  images: Schema.optionalKey(ImagesSectionInput),
  telemetry: Schema.optionalKey(TelemetrySectionInput),
  storage: Schema.optionalKey(StorageSectionInput)
})

export type ConfigurationFile = typeof ConfigurationFile.Type

/** Settings with what the reader of the banner wants to know about them. */
export interface Decoded {
  readonly settings: Settings
  readonly inactive: ReadonlyArray<InactiveKey>
}

const decodeFile = Schema.decodeUnknownResult(ConfigurationFile)
const strictly = { errors: "all", onExcessProperty: "error" } as const

const scalar = (text: string): unknown =>
  text === "true" ? true : text === "false" ? false : /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text

const withValueAt = (document: unknown, path: ReadonlyArray<string | number>, value: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return value
  if (Array.isArray(document)) {
    return document.map((member: unknown, index) => index === key ? withValueAt(member, rest, value) : member)
  }
  return typeof document === "object" && document !== null
    ? { ...document, [key]: withValueAt(Reflect.get(document, key), rest, value) }
    : document
}

/** Where text from the environment stands for a number or a boolean, read it as one. */
const withScalars = (document: unknown, found: ReadonlyArray<Flaw>, fromEnvironment: ReadonlySet<string>): unknown =>
  found.reduce<unknown>((result, flaw) => {
    const value = valueAt(document, flaw.path)
    return typeof value === "string" && fromEnvironment.has(renderPath(flaw.path))
      ? withValueAt(result, flaw.path, scalar(value))
      : result
  }, document)

const decodeDocument = (document: unknown, fromEnvironment: ReadonlySet<string>) => {
  const first = decodeFile(document, strictly)
  if (Result.isSuccess(first)) return { document, result: first }
  const mended = withScalars(document, flaws(first.failure.issue), fromEnvironment)
  return { document: mended, result: decodeFile(mended, strictly) }
}

/** Decodes a parsed document; `source` is the file's name for the message. Fails with every problem of the document. */
export const decode = Effect.fnUntraced(function*(source: string, parsed: unknown) {
  const substituted = yield* substitute(parsed)
  const { document, result } = decodeDocument(substituted.document, substituted.fromEnvironment)
  const problems = [
    ...substituted.problems,
    ...(Result.isSuccess(result) ? [] : flaws(result.failure.issue).map((flaw) => fromFlaw(flaw, document))),
    ...crossCheck(document)
  ]
  if (Result.isFailure(result) || problems.length > 0) return yield* new ConfigurationRefused({ source, problems })
  const decoded: Decoded = { settings: toSettings(result.success), inactive: inactiveKeys(document) }
  return decoded
})
