import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { exportText, OtlpSpan } from "../../src/observability/OtlpSpan.ts"
import { spansIn } from "../conformance/Sink.ts"

const ids = { nextDoubleUnsafe: () => 0.5 }

const made = (more: Partial<Parameters<Tracer.Tracer["span"]>[0]> = {}) => {
  const ended: Array<OtlpSpan> = []
  const span = new OtlpSpan(
    {
      name: "a \"name\"",
      parent: Option.none(),
      annotations: Context.empty(),
      links: [],
      startTime: 1n,
      kind: "client",
      root: true,
      sampled: true,
      ...more
    },
    ids,
    (one) => ended.push(one)
  )
  return { span, ended }
}

const read = (span: OtlpSpan) => {
  const [found] = spansIn(exportText([span], { "service.name": "it" }, { name: "s", version: "1" }))
  if (found === undefined) throw new Error("nothing was written")
  return found
}

describe("a span as OTLP JSON", () => {
  it("has its values by their types, and a double that is whole as a double", () => {
    const { span } = made()
    const values = { text: "ü\"\n", whole: 3, part: 0.5, yes: true, big: 2n ** 60n, list: ["a", "b"], none: undefined }
    for (const [name, value] of Object.entries(values)) span.attribute(name, value)
    span.attribute("gen_ai.request.temperature", 1)
    span.end(2n, Exit.void)
    expect(read(span).types).toEqual({
      text: "string",
      whole: "int",
      part: "double",
      yes: "bool",
      big: "int",
      list: "string[]",
      "gen_ai.request.temperature": "double"
    })
    expect(read(span).attributes["text"]).toBe("ü\"\n")
  })

  it("of a success has no status", () => {
    const { span } = made()
    span.end(2n, Exit.void)
    expect(read(span).status).toBe(0)
  })

  it("of an interruption has no status either", () => {
    const { span } = made()
    span.end(2n, Exit.interrupt())
    expect(read(span).status).toBe(0)
  })

  it("of a failure is an error without a description and without the places of the code", () => {
    const { span } = made()
    span.end(2n, Exit.die(new Error("secret")))
    expect(read(span)).toMatchObject({ status: 2, statusMessage: undefined, events: [] })
  })

  it("that has ended takes nothing more and is told once", () => {
    const { ended, span } = made()
    span.end(2n, Exit.void)
    span.end(3n, Exit.void)
    span.attribute("late", 1)
    span.event("late", 3n)
    expect(ended.length).toBe(1)
    expect(read(span)).toMatchObject({ attributes: {}, events: [], end: 2n })
  })

  it("that is not drawn is never told", () => {
    const { ended, span } = made({ sampled: false })
    span.end(2n, Exit.void)
    expect(ended).toEqual([])
  })

  it("below one of another process keeps its trace and says so in the flags", () => {
    const parent = Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" })
    const { span } = made({ parent: Option.some(parent), root: false })
    span.end(2n, Exit.void)
    expect(read(span)).toMatchObject({ traceId: parent.traceId, parentSpanId: parent.spanId })
    expect(span.toJson()).toContain("\"flags\":769")
  })

  it("has its links and its events with their attributes", () => {
    const { span } = made()
    span.addLinks([{ span: made().span, attributes: { why: "probe" } }])
    span.event("one", 5n, { "breakwater.attempt": 2 })
    span.end(9n, Exit.void)
    expect(read(span).events).toEqual([{ name: "one", timeUnixNano: "5", attributes: { "breakwater.attempt": 2 } }])
    expect(JSON.parse(span.toJson())).toMatchObject({ links: [{ attributes: [{ key: "why" }] }] })
  })
})
