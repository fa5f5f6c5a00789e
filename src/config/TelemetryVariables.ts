/** What the standard `OTEL_*` variables say about traces and metrics; they go over the file, as everything of the environment does. */
import * as Effect from "effect/Effect"
import { valueAt } from "./Problem.ts"
import { variable } from "./Substitution.ts"

type Section = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Section =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Keys of `telemetry.otlp` and the variables that set them as they are, the more special one first. */
const plain = [
  ["endpoint", ["OTEL_EXPORTER_OTLP_ENDPOINT"]],
  ["tracesEndpoint", ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]],
  ["protocol", ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]],
  ["compression", ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"]],
  ["sample", ["OTEL_TRACES_SAMPLER_ARG"]],
  ["serviceName", ["OTEL_SERVICE_NAME"]],
  ["batch", ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]],
  ["queue", ["OTEL_BSP_MAX_QUEUE_SIZE"]]
] as const

/** The same for those that are milliseconds without a unit. */
const milliseconds = [
  ["timeout", ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]],
  ["interval", ["OTEL_BSP_SCHEDULE_DELAY"]]
] as const

/** Those of traces may hold the key of a receiver that metrics do not go to. */
const headers = [
  ["headers", "OTEL_EXPORTER_OTLP_HEADERS"],
  ["tracesHeaders", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"]
] as const

/** Keys that `none` switches off, each of them alone. */
const switches = [["traces", "OTEL_TRACES_EXPORTER"], ["metrics", "OTEL_METRICS_EXPORTER"]] as const

/** What a variable says; empty where it is not set. */
const said = (name: string): Effect.Effect<string> => Effect.map(variable(name), (value) => value ?? "")

/** The first of these variables that says something. */
const firstSet = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  for (const name of names) if ((yield* said(name)) !== "") return name
  return undefined
})

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** `name=value,name=value` with values that are percent-encoded. */
const pairs = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text.split(",").flatMap((pair) => {
      const at = pair.indexOf("=")
      return at < 1 ? [] : [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]]
    })
  )

/** Which variable set which key of `telemetry.otlp`, for messages. */
export const origins = Effect.gen(function*() {
  const found: Array<readonly [key: string, name: string]> = []
  for (const [key, names] of [...plain, ...milliseconds]) {
    const name = yield* firstSet(names)
    if (name !== undefined) found.push([key, name])
  }
  return found
})

/** A share that is given by the sampler's name alone. */
const shareOf = (sampler: string): number | undefined =>
  sampler.endsWith("always_off") ? 0 : sampler.endsWith("always_on") ? 1 : undefined

const written = Effect.gen(function*() {
  const picked: Record<string, unknown> = {}
  for (const [key, name] of yield* origins) {
    const isBare = milliseconds.some((entry) => entry[0] === key) && /^\d+$/.test(yield* said(name))
    picked[key] = `\${${name}}${isBare ? "ms" : ""}`
  }
  const share = shareOf(yield* said("OTEL_TRACES_SAMPLER"))
  if (share !== undefined) picked["sample"] = share
  for (const [key, name] of headers) {
    const value = yield* said(name)
    if (value !== "") picked[key] = pairs(value)
  }
  const { "service.name": serviceName, ...attributes } = pairs(yield* said("OTEL_RESOURCE_ATTRIBUTES"))
  if (serviceName !== undefined) picked["serviceName"] ??= serviceName
  if (Object.keys(attributes).length > 0) picked["attributes"] = attributes
  const optIn = (yield* said("OTEL_SEMCONV_STABILITY_OPT_IN")).split(",").map((one) => one.trim())
  if (optIn.includes("gen_ai_latest_experimental")) picked["conventions"] = "latest"
  for (const [key, name] of switches) if ((yield* said(name)).trim() === "none") picked[key] = false
  return picked
})

const isOff = Effect.map(said("OTEL_SDK_DISABLED"), (value) => value.toLowerCase() === "true")

/** The `telemetry` section with what the environment says. Where it is no section it stays, so that the schema can say so. */
export const telemetry = Effect.fnUntraced(function*(document: unknown) {
  const section = valueAt(document, ["telemetry"]) ?? {}
  const otlp = valueAt(section, ["otlp"]) ?? {}
  if (!isRecord(section) || !isRecord(otlp)) return valueAt(document, ["telemetry"])
  const all: Section = { ...otlp, ...(yield* written) }
  if (!(yield* isOff)) return { ...section, otlp: all }
  const { endpoint: _, tracesEndpoint: __, ...rest } = all
  return { ...section, otlp: rest }
})
