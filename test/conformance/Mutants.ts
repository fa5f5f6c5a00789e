/** Traces with one thing wrong, to see whether the checker would say so. */
import type { Span, Value } from "./Sink.ts"

interface Mutant {
  readonly span: Span
  readonly to: Span
  readonly text: string
}

type Attributes = Readonly<Record<string, Value>>

const without = (attributes: Attributes, name: string): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([key]) => key !== name))

const renamed = (attributes: Attributes, name: string): Attributes =>
  Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key === name ? `${key}_x` : key, value]))

const ofAttributes = (span: Span): ReadonlyArray<Mutant> =>
  Object.keys(span.attributes).flatMap((name) => [
    { span, to: { ...span, attributes: without(span.attributes, name) }, text: `${span.name} without ${name}` },
    { span, to: { ...span, attributes: renamed(span.attributes, name) }, text: `${span.name} with another ${name}` }
  ])

const ofEvents = (span: Span): ReadonlyArray<Mutant> =>
  span.events.flatMap((event, at) => {
    const changed = (attributes: Attributes, text: string): Mutant => ({
      span,
      to: { ...span, events: span.events.with(at, { ...event, attributes }) },
      text: `${event.name} ${text}`
    })
    return [
      { span, to: { ...span, events: span.events.with(at, { ...event, name: `${event.name}_x` }) }, text: event.name },
      ...Object.keys(event.attributes).flatMap((name) => [
        changed(without(event.attributes, name), `without ${name}`),
        changed(renamed(event.attributes, name), `with another ${name}`)
      ])
    ]
  })

/** Every attribute taken away and renamed, of spans and events; every name, kind, status and parent changed. */
export const mutants = (spans: ReadonlyArray<Span>): ReadonlyArray<Mutant> =>
  spans.flatMap((span) => [
    ...ofAttributes(span),
    ...ofEvents(span),
    { span, to: { ...span, kind: span.kind === 3 ? 1 : 3 }, text: `${span.name} of another kind` },
    { span, to: { ...span, status: 1 }, text: `${span.name} with the status OK` },
    { span, to: { ...span, status: span.status === 2 ? 0 : 2 }, text: `${span.name} with another status` },
    { span, to: { ...span, statusMessage: "x" }, text: `${span.name} with a description` },
    { span, to: { ...span, parentSpanId: "0123456789abcdef" }, text: `${span.name} as an orphan` },
    ...(span.name.startsWith("breakwater.route")
      ? []
      : [{ span, to: { ...span, name: "x" }, text: `${span.name} by another name` }])
  ])
