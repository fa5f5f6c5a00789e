/** Holds exported spans against the rules. A finding is a sentence; none means that the trace conforms. */
import { events, type Facts, type Kind, type Profile, type Rule, rules, type Subject } from "./Rules.ts"
import type { Span, Value } from "./Sink.ts"

const kindOf = (span: Span): Kind | undefined => {
  if (span.kind === 2) return "server"
  if (span.kind === 1 && span.name.startsWith("breakwater.route")) return "route"
  if (span.kind !== 3) return undefined
  return span.name.startsWith("chat ") || "gen_ai.operation.name" in span.attributes ? "call" : "wire"
}

/** What stands above what; undefined: nothing of ours. */
const parents: Readonly<Record<Kind, Kind | undefined>> = {
  server: undefined,
  route: "server",
  call: "route",
  wire: "call"
}

const isOfType = (type: Rule["type"], written: string, value: Value): boolean => {
  // JavaScript's exporters write a double that is whole as an integer.
  if (type === "double") return written === "double" || (written === "int" && Number.isInteger(value))
  return written === type
}

const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right)

const attributeFindings = (subject: Subject, kind: Kind): ReadonlyArray<string> => {
  const { attributes, types } = subject.span
  const found: Array<string> = []
  const known = new Set(rules[kind].map(({ name }) => name))
  for (const name of Object.keys(attributes)) if (!known.has(name)) found.push(`${name} is not known on a ${kind}`)
  for (const { allowed, equals, name, needed, type, values } of rules[kind]) {
    const value = attributes[name]
    if (value === undefined) {
      if (needed?.(subject) === true) found.push(`${name} is missing on a ${kind}`)
      continue
    }
    if (allowed?.(subject) === false) found.push(`${name} may not be here on a ${kind}`)
    if (!isOfType(type, types[name] ?? "", value)) found.push(`${name} is ${types[name]}, not ${type}`)
    if (values !== undefined && !values.includes(String(value))) found.push(`${name} may not be ${String(value)}`)
    const wanted = equals?.(subject)
    if (wanted !== undefined && !same(value, wanted)) {
      found.push(`${name} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`)
    }
  }
  return found
}

const nameOf = ({ span: { attributes } }: Subject, kind: Kind): string | undefined => {
  const method = attributes["http.request.method"] === "_OTHER" ? "HTTP" : attributes["http.request.method"]
  switch (kind) {
    case "server":
      return attributes["http.route"] === undefined
        ? String(method)
        : `${String(method)} ${String(attributes["http.route"])}`
    case "call":
      return `${String(attributes["gen_ai.operation.name"])} ${String(attributes["gen_ai.request.model"])}`
    case "wire":
      return String(method)
    default:
      return undefined
  }
}

const shapeFindings = (subject: Subject, kind: Kind): ReadonlyArray<string> => {
  const { parent, span } = subject
  const found: Array<string> = []
  const name = nameOf(subject, kind)
  if (name !== undefined && span.name !== name) found.push(`the name is "${span.name}", not "${name}"`)
  if (span.status === 1) found.push("a success has its status unset")
  if ((span.status === 2) !== ("error.type" in span.attributes)) found.push("status and error.type disagree")
  if (span.statusMessage !== undefined) found.push("the status has a description")
  if (span.end < span.start) found.push("it ends before it starts")
  const above = parents[kind]
  if (above === undefined ? parent !== undefined : parent === undefined || kindOf(parent) !== above) {
    found.push(`a ${kind} is below ${parent === undefined ? "nothing of ours" : parent.name}`)
  }
  if (parent !== undefined && (span.start < parent.start || span.end > parent.end)) found.push("it outlives its parent")
  for (const event of span.events) {
    const needed = kind === "route" ? events[event.name] : undefined
    if (needed === undefined) found.push(`the event ${event.name} is not known on a ${kind}`)
    for (const key of needed ?? []) if (!(key in event.attributes)) found.push(`${key} is missing on ${event.name}`)
    for (const key of Object.keys(event.attributes)) {
      if (needed?.includes(key) === false) found.push(`${key} is not known on ${event.name}`)
    }
  }
  return found
}

/** The findings of one trace. `caller`: the span id that it was asked with, if any. */
export const check = (
  spans: ReadonlyArray<Span>,
  profile: Profile,
  facts: Facts = {},
  caller?: string
): ReadonlyArray<string> => {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const below = (id: string) =>
    spans.filter(({ parentSpanId }) => parentSpanId === id).sort((a, b) => Number(a.start - b.start))
  const found: Array<string> = []
  if (spans.filter((span) => kindOf(span) === "server").length !== 1) {
    found.push("a trace of one request has one server span")
  }
  if (byId.size !== spans.length) found.push("two spans have one id")
  for (const span of spans) {
    const kind = kindOf(span)
    if (kind === undefined) {
      found.push(`${span.name}: a kind of span that is not known`)
      continue
    }
    const { parentSpanId } = span
    const parent = parentSpanId === undefined ? undefined : byId.get(parentSpanId)
    if (parentSpanId !== undefined && parent === undefined && parentSpanId !== caller) {
      found.push(`${span.name}: an orphan`)
    }
    if (kind === "server" && caller !== parentSpanId) found.push("the caller's span is not the parent")
    const subject: Subject = {
      span,
      parent,
      profile,
      facts,
      children: below(span.spanId),
      before: parent === undefined ? [] : below(parent.spanId).slice(0, below(parent.spanId).indexOf(span))
    }
    for (const text of [...shapeFindings(subject, kind), ...attributeFindings(subject, kind)]) {
      found.push(`${span.name}: ${text}`)
    }
  }
  return found
}

/** Spans by the trace that they are in. */
export const traces = (spans: ReadonlyArray<Span>): ReadonlyMap<string, ReadonlyArray<Span>> =>
  Map.groupBy(spans, ({ traceId }) => traceId)
