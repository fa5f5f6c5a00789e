/**
 * A span that is written as OTLP JSON when its batch leaves. As the conventions want it: an error has `error.type`, a success has
 * no status, and no stack trace goes along.
 */
import * as Option from "effect/Option"
import type * as Random from "effect/Random"
import type * as Tracer from "effect/Tracer"
import { doubles, names } from "./Conventions.ts"

type Options = Parameters<Tracer.Tracer["span"]>[0]
type Ids = Pick<(typeof Random.Random)["Service"], "nextDoubleUnsafe">

const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** Eight hexadecimal digits, from a table: a number's own way to text costs five times as much, and a request has a dozen of these. */
const word = (ids: Ids): string => {
  const number = Math.floor(ids.nextDoubleUnsafe() * 0x1_0000_0000)
  return `${bytes[number >>> 24]}${bytes[(number >>> 16) & 255]}${bytes[(number >>> 8) & 255]}${bytes[number & 255]}`
}

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const

/** The beginnings of an attribute's text, by the type of its value. */
interface Key {
  readonly text: string
  readonly int: string
  readonly double: string
  readonly bool: string
  readonly plain: string
  readonly isDouble: boolean
  /** Whole texts of values that are few, such as names of models and targets. */
  readonly known: Map<string, string>
}

/** Values that are remembered for each name, and their longest. */
const mostValues = 64
const longestValue = 128

const stringText = (key: Key, value: string): string => {
  const known = key.known.get(value)
  if (known !== undefined) return known
  const text = `${key.text}${JSON.stringify(value)}}}`
  if (key.known.size < mostValues && value.length <= longestValue) key.known.set(value, text)
  return text
}

const keys = new Map<string, Key>()

/** Names come from a closed set; those of other programs' spans are not kept without end. */
const keyOf = (name: string): Key => {
  const found = keys.get(name)
  if (found !== undefined) return found
  const plain = `{"key":${JSON.stringify(name)},"value":`
  const made = {
    text: `${plain}{"stringValue":`,
    int: `${plain}{"intValue":"`,
    double: `${plain}{"doubleValue":`,
    bool: `${plain}{"boolValue":`,
    plain,
    isDouble: doubles.has(name),
    known: new Map<string, string>()
  }
  if (keys.size < 1000) keys.set(name, made)
  return made
}

/** A value inside a list, or one that is no plain value. */
const valueOf = (value: unknown): string => {
  if (Array.isArray(value)) return `{"arrayValue":{"values":[${value.map(valueOf).join(",")}]}}`
  switch (typeof value) {
    case "string":
      return `{"stringValue":${JSON.stringify(value)}}`
    case "number":
      return Number.isSafeInteger(value) ? `{"intValue":"${value}"}` : `{"doubleValue":${value}}`
    case "bigint":
      return `{"intValue":"${value}"}`
    case "boolean":
      return `{"boolValue":${value}}`
    default:
      return valueOf(JSON.stringify(value) ?? "")
  }
}

const attributeText = (name: string, value: unknown): string => {
  const key = keyOf(name)
  switch (typeof value) {
    case "string":
      return stringText(key, value)
    case "number":
      return !key.isDouble && Number.isSafeInteger(value) ? `${key.int}${value}"}}` : `${key.double}${value}}}`
    case "boolean":
      return `${key.bool}${value}}}`
    default:
      return `${key.plain}${valueOf(value)}}`
  }
}

const attributesText = (names: ReadonlyArray<string>, values: ReadonlyArray<unknown>): string => {
  let text = ""
  for (let at = 0; at < names.length; at++) {
    const [name = "", value] = [names[at], values[at]]
    if (value !== undefined) text += text === "" ? attributeText(name, value) : `,${attributeText(name, value)}`
  }
  return text
}

const recordText = (record: Readonly<Record<string, unknown>>): string =>
  attributesText(Object.keys(record), Object.values(record))

/** `onEnd` is given each span once, when it ends. */
export class OtlpSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly spanId: string
  readonly traceId: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly annotations: Options["annotations"]
  readonly links: Array<Tracer.SpanLink>
  readonly sampled: boolean
  readonly kind: Tracer.SpanKind
  status: Tracer.SpanStatus
  private readonly onEnd: (span: OtlpSpan) => void
  private events = ""
  /** Two lists: they are written once and read once, and a map of a dozen entries costs a multiple of that. */
  private readonly names: Array<string> = []
  private readonly values: Array<unknown> = []

  constructor(options: Options, ids: Ids, onEnd: (span: OtlpSpan) => void) {
    this.name = options.name
    this.parent = options.parent
    this.annotations = options.annotations
    this.links = options.links
    this.sampled = options.sampled
    this.kind = options.kind
    this.status = { _tag: "Started", startTime: options.startTime }
    this.onEnd = onEnd
    this.spanId = word(ids) + word(ids)
    this.traceId = Option.isSome(options.parent)
      ? options.parent.value.traceId.padStart(32, "0")
      : word(ids) + word(ids) + word(ids) + word(ids)
  }

  end(endTime: bigint, exit: Extract<Tracer.SpanStatus, { readonly _tag: "Ended" }>["exit"]): void {
    if (this.status._tag === "Ended") return
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    if (this.sampled) this.onEnd(this)
  }

  get attributes(): ReadonlyMap<string, unknown> {
    return new Map(this.names.map((name, at) => [name, this.values[at]]))
  }

  /** The last value of a name counts. */
  attribute(key: string, value: unknown): void {
    if (this.status._tag === "Ended") return
    const at = this.names.indexOf(key)
    if (at < 0) {
      this.names.push(key)
      this.values.push(value)
    } else this.values[at] = value
  }

  event(name: string, startTime: bigint, attributes: Record<string, unknown> = {}): void {
    if (this.status._tag === "Ended") return
    this.events += `${this.events === "" ? "" : ","}{"timeUnixNano":"${startTime}","name":${
      JSON.stringify(name)
    },"attributes":[${recordText(attributes)}]}`
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    if (this.status._tag !== "Ended") { for (const link of links) this.links.push(link) }
  }

  private linksText(): string {
    return this.links.map(({ attributes, span }) =>
      `{"traceId":"${span.traceId}","spanId":"${span.spanId}","attributes":[${recordText(attributes)}]}`
    ).join(",")
  }

  /** It failed if it says how; else as whoever ended it says, who may be of another program. */
  private get isFailed(): boolean {
    if (this.names.includes(names.errorType)) return true
    const { status } = this
    return status._tag === "Ended" && status.exit._tag === "Failure"
      && status.exit.cause.reasons.some(({ _tag }) => _tag !== "Interrupt")
  }

  /** The span as an object of OTLP JSON; only after its end. */
  toJson(): string {
    const { parent, status } = this
    const endTime = status._tag === "Ended" ? status.endTime : status.startTime
    const above = Option.getOrUndefined(parent)
    // Sampled; that a parent is of another process is known for sure.
    const flags = above?._tag === "ExternalSpan" ? 0x301 : 0x101
    return `{"traceId":"${this.traceId}","spanId":"${this.spanId}",${
      above === undefined ? "" : `"parentSpanId":"${above.spanId}",`
    }"flags":${flags},"name":${JSON.stringify(this.name)},"kind":${
      kinds[this.kind]
    },"startTimeUnixNano":"${status.startTime}","endTimeUnixNano":"${endTime}","attributes":[${
      attributesText(this.names, this.values)
    }]${this.events === "" ? "" : `,"events":[${this.events}]`}${
      this.links.length === 0 ? "" : `,"links":[${this.linksText()}]`
    },"status":{${this.isFailed ? "\"code\":2" : ""}}}`
  }
}

/** A whole export of spans that come from one process. `resource`: its attributes. */
export const exportText = (
  spans: ReadonlyArray<OtlpSpan>,
  resource: Readonly<Record<string, unknown>>,
  scope: { readonly name: string; readonly version: string }
): string =>
  `{"resourceSpans":[{"resource":{"attributes":[${recordText(resource)}]},"scopeSpans":[{"scope":${
    JSON.stringify(scope)
  },"spans":[${spans.map((span) => span.toJson()).join(",")}]}]}]}`
