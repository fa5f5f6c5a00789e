/** One event as one line: the same record for every reader, under the keys that it looks for. */
import * as DateTime from "effect/DateTime"

const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const
/** How grave a line is, from `trace` to `fatal`. */
export type Severity = (typeof levels)[number]

/** The severity of this name; `info` where there is none. */
export const severityNamed = (name: string): Severity => levels.find((severity) => severity === name) ?? "info"

/** OpenTelemetry's numbers. */
export const severityNumbers: Readonly<Record<Severity, number>> = {
  trace: 1,
  debug: 5,
  info: 9,
  warn: 13,
  error: 17,
  fatal: 21
}

/** Values of a line; `undefined` is left out. */
export type Fields = Readonly<Record<string, unknown>>

/** Whose lines these are. */
export interface Service {
  readonly name: string
  readonly version: string
}

/** A line without its end. `atMs` is milliseconds since 1970. */
export type Render = (severity: Severity, atMs: number, message: string, fields: Fields) => string

/** `otel` = `json`: OpenTelemetry's names. The others rename what their readers call differently. */
export type Format = "json" | "otel" | "pretty" | "datadog" | "ecs" | "splunk-hec"

// The text of the current second, because a busy server writes many lines in one.
let second = Number.NaN
let secondText = ""

/** RFC 3339 with milliseconds. */
const timestamp = (atMs: number): string => {
  const seconds = Math.floor(atMs / 1000)
  if (seconds !== second) {
    second = seconds
    secondText = DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000)).slice(0, 20)
  }
  return `${secondText}${String(Math.floor(atMs) - seconds * 1000).padStart(3, "0")}Z`
}

const otelRecord = (service: Service | undefined): (...line: Parameters<Render>) => Fields => {
  const own = service === undefined ? {} : { "service.name": service.name, "service.version": service.version }
  return (severity, atMs, message, fields) => ({
    timestamp: timestamp(atMs),
    severity_text: severity.toUpperCase(),
    severity_number: severityNumbers[severity],
    message,
    ...own,
    ...fields
  })
}

/** A member of a line: its name, and what it said last, for most members say in every line what they said in the one before. */
interface Member {
  readonly name: string
  /** Never an object: one may change and stay the same. */
  value: unknown
  written: string
}

// The names of a busy log's lines are few, and mostly the same ones in every line.
const members = new Map<string, Member>()
const mostMembers = 1000
/** What is longer than so many characters is not kept for the next line. */
const longestKept = 128

const memberOf = (name: string): Member => {
  let member = members.get(name)
  if (member === undefined) {
    member = { name: `,${JSON.stringify(name)}:`, value: undefined, written: "" }
    if (members.size < mostMembers) members.set(name, member)
  }
  return member
}

/** Text as JSON; most of it is words and ids, of which nothing has to be escaped. */
const textOf = (text: string): string => /^[\w ./:=+,-]*$/.test(text) ? `"${text}"` : JSON.stringify(text)

/** A value as JSON; undefined for what JSON has no words for. */
const written = (value: unknown): string | undefined => {
  if (typeof value === "string") return textOf(value)
  if (typeof value === "number") return Number.isFinite(value) ? `${value}` : "null"
  if (typeof value === "boolean") return value ? "true" : "false"
  if (Array.isArray(value) && value.length === 1 && typeof value[0] === "string") return `[${textOf(value[0])}]`
  return JSON.stringify(value)
}

const memberText = (name: string, value: unknown): string => {
  const member = memberOf(name)
  if (value === member.value) return member.written
  const text = written(value)
  if (text === undefined) return ""
  const whole = member.name + text
  if (typeof value !== "object" && whole.length <= longestKept) {
    member.value = value
    member.written = whole
  }
  return whole
}

/** Written member by member: half the cost of a record that is made to be thrown away. */
const otel = (service: Service | undefined): Render => {
  const own = service === undefined
    ? ""
    : `,"service.name":${JSON.stringify(service.name)},"service.version":${JSON.stringify(service.version)}`
  return (severity, atMs, message, fields) => {
    let line = `{"timestamp":"${timestamp(atMs)}","severity_text":"${severity.toUpperCase()}","severity_number":${
      severityNumbers[severity]
    }${memberText("message", message)}${own}`
    for (const name in fields) {
      const value = fields[name]
      if (value !== undefined) line += memberText(name, value)
    }
    return `${line}}`
  }
}

const renamed = (fields: Fields, names: Readonly<Record<string, string>>): Record<string, unknown> => {
  const out: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) out[names[name] ?? name] = value
  return out
}

const nanos = (ms: unknown): number | undefined => typeof ms === "number" ? Math.round(ms * 1e6) : undefined

/** Datadog counts the low half of a trace id, as a decimal. */
const decimal = (hex: unknown): string | undefined =>
  typeof hex === "string" && /^[0-9a-f]{16,32}$/.test(hex) ? BigInt(`0x${hex.slice(-16)}`).toString() : undefined

const datadogNames = {
  "error.type": "error.kind",
  "exception.stacktrace": "error.stack",
  "http.request.method": "http.method",
  "http.response.status_code": "http.status_code"
}

const datadog = (service: Service | undefined): Render => (severity, atMs, message, fields) =>
  JSON.stringify({
    timestamp: timestamp(atMs),
    status: severity === "fatal" ? "critical" : severity === "trace" ? "debug" : severity,
    message,
    "dd.service": service?.name,
    "dd.version": service?.version,
    "dd.trace_id": decimal(fields["trace_id"]),
    "dd.span_id": decimal(fields["span_id"]),
    ...renamed(fields, datadogNames),
    duration: nanos(fields["duration_ms"])
  })

const ecsNames = {
  trace_id: "trace.id",
  span_id: "span.id",
  "event.name": "event.action",
  "exception.stacktrace": "error.stack_trace"
}

const ecs = (service: Service | undefined): Render => (severity, atMs, message, fields) =>
  JSON.stringify({
    "@timestamp": timestamp(atMs),
    "log.level": severity,
    message,
    "ecs.version": "8.11.0",
    "service.name": service?.name,
    "service.version": service?.version,
    ...renamed(fields, ecsNames),
    "event.duration": nanos(fields["duration_ms"])
  })

const splunk = (service: Service | undefined): Render => {
  const recordOf = otelRecord(service)
  return (severity, atMs, message, fields) =>
    JSON.stringify({
      time: atMs / 1000,
      source: service?.name,
      sourcetype: "_json",
      event: recordOf(severity, atMs, message, fields)
    })
}

/** What people are not told in a line: what its words say already, and what is for programs. */
const untold: ReadonlySet<string> = new Set([
  "event.name",
  "trace_id",
  "span_id",
  "http.request.method",
  "http.route",
  "http.response.status_code",
  "gen_ai.operation.name",
  "gen_ai.response.model",
  "gen_ai.response.finish_reasons",
  "gen_ai.usage.cost",
  "breakwater.model",
  "breakwater.provider",
  "breakwater.cost.source",
  "breakwater.cost.status",
  "breakwater.upstream.request.id",
  "breakwater.decision",
  "cancelled",
  "stream"
])

/** Short names; else a name without its beginning. */
const shortNames: Readonly<Record<string, string>> = {
  "breakwater.request.id": "id",
  "breakwater.attempt.outcomes": "tried",
  "breakwater.cost.absent": "unpriced",
  "breakwater.cost.usd": "usd",
  "breakwater.cost.estimated_usd": "estimated_usd",
  "gen_ai.request.model": "model",
  "gen_ai.usage.input_tokens": "in",
  "gen_ai.usage.output_tokens": "out",
  "gen_ai.usage.cache_read.input_tokens": "cached",
  "gen_ai.usage.reasoning.output_tokens": "thinking",
  "error.type": "error",
  duration_ms: "ms"
}

const shortName = (key: string): string => shortNames[key] ?? key.replace(/^breakwater\./, "")

/** A word as it is, anything else as JSON, so that no value looks like two. */
const shown = (value: unknown): string => {
  if (typeof value === "number" || (typeof value === "string" && /^[\w./:*+-]+$/.test(value))) return String(value)
  return Array.isArray(value) && value.every((one) => typeof one === "string" && /^[\w./:*+=-]+$/.test(one))
    ? value.join(",")
    : JSON.stringify(value)
}

const pretty = (): Render => (severity, atMs, message, fields) => {
  let line = `${timestamp(atMs).slice(11, 23)} ${severity.toUpperCase().padEnd(5)} ${
    JSON.stringify(message).slice(1, -1)
  }`
  // One attempt that went well is no more than the target that the line would name anyhow.
  const isUneventful = fields["breakwater.attempts"] === 1
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined || untold.has(key) || (value === 0 && key.startsWith("gen_ai.usage."))) continue
    if (isUneventful && key === "breakwater.attempts") continue
    line += ` ${shortName(key)}=${shown(value)}`
  }
  return line
}

const renders: Readonly<Record<Format, (service: Service | undefined) => Render>> = {
  json: otel,
  otel,
  pretty,
  datadog,
  ecs,
  "splunk-hec": splunk
}

/** How lines of this format are written. */
export const renderOf = (format: Format, service: Service | undefined): Render => renders[format](service)
