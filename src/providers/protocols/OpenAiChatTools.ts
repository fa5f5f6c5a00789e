/**
 * The tool calls of one choice of a stream, put in order: indexes from 0 without gaps, id, type and name exactly once, arguments
 * as text, two calls under one index taken apart. A call is held back until its name is known.
 */
import type { Json, JsonObject } from "./OpenAiChatShape.ts"
import { argumentsText, isObject, isText, parse } from "./OpenAiChatShape.ts"

interface Call {
  readonly index: number
  readonly key: number | undefined
  readonly upstreamId: string | undefined
  name: string | undefined
  /** All arguments so far. */
  text: string
  readonly isCustom: boolean
}

interface Delta {
  readonly key: number | undefined
  readonly id: string | undefined
  readonly name: string | undefined
  readonly text: string
  readonly isCustom: boolean
}

const readDelta = (entry: JsonObject): Delta => {
  const isCustom = isObject(entry["custom"])
  const holder = isCustom ? entry["custom"] : entry["function"]
  const called: JsonObject = isObject(holder) ? holder : {}
  const written = isCustom ? called["input"] : called["arguments"]
  return {
    key: typeof entry["index"] === "number" ? entry["index"] : undefined,
    id: isText(entry["id"]) ? entry["id"] : undefined,
    name: isText(called["name"]) ? called["name"] : undefined,
    text: argumentsText(written),
    isCustom
  }
}

export class ToolCalls {
  private readonly calls: Array<Call> = []
  private readonly idPrefix: string

  constructor(idPrefix: string) {
    this.idPrefix = idPrefix
  }

  /** True once a call was let out. */
  get hasCalls(): boolean {
    return this.calls.some((call) => call.name !== undefined)
  }

  /** The delta's entries as they must be, or undefined where they are already. */
  mend(entries: ReadonlyArray<Json>): Array<Json> | undefined {
    let changed = false
    const mended: Array<Json> = []
    for (const entry of entries) {
      const result = isObject(entry) ? this.mendEntry(entry) : undefined
      if (result !== entry) changed = true
      if (result !== undefined) mended.push(result)
    }
    return changed ? mended : undefined
  }

  /** What must still be said before the end: `{}` for each call that never got arguments. */
  close(): ReadonlyArray<JsonObject> {
    const silent = this.calls.filter((call) => call.name !== undefined && !call.isCustom && call.text.trim() === "")
    for (const call of silent) call.text = "{}"
    return silent.map(({ index }) => ({ index, function: { arguments: "{}" } }))
  }

  private mendEntry(entry: JsonObject): JsonObject | undefined {
    const delta = readDelta(entry)
    const open = this.callOf(delta)
    const begins = open === undefined || this.beginsAnother(open, delta)
    const call = begins ? this.begin(delta) : open
    const wasNamed = !begins && call.name !== undefined
    call.name ??= delta.name
    call.text += delta.text
    if (call.name === undefined) return undefined
    if (!wasNamed) return this.first(entry, call)
    const { function: called } = entry
    const isClean = entry["index"] === call.index && entry["id"] === undefined && entry["type"] === undefined &&
      isObject(called) && called["name"] === undefined && typeof called["arguments"] === "string"
    if (isClean) return entry
    return call.isCustom
      ? { index: call.index, custom: { input: delta.text } }
      : { index: call.index, function: { arguments: delta.text } }
  }

  private callOf(delta: Delta): Call | undefined {
    const { id, key } = delta
    if (key !== undefined) return this.calls.findLast((call) => call.key === key)
    const named = id === undefined ? undefined : this.calls.find((call) => call.upstreamId === id)
    return named ?? this.calls.at(-1)
  }

  /** A new id with a name, or a second name after arguments that are whole, is another call. */
  private beginsAnother(open: Call, delta: Delta): boolean {
    if (delta.name === undefined || open.name === undefined) return false
    if (delta.id !== undefined) return delta.id !== open.upstreamId
    return open.text !== "" && parse(open.text) !== undefined
  }

  private begin(delta: Delta): Call {
    const call: Call = {
      index: this.calls.length,
      key: delta.key,
      upstreamId: delta.id,
      name: undefined,
      text: "",
      isCustom: delta.isCustom
    }
    this.calls.push(call)
    return call
  }

  private first(entry: JsonObject, call: Call): JsonObject {
    const id = call.upstreamId ?? `call_${this.idPrefix}_${call.index}`
    const type = call.isCustom ? "custom" : "function"
    const { function: called } = entry
    const isClean = entry["index"] === call.index && entry["id"] === id && entry["type"] === type &&
      isObject(called) && called["name"] === call.name && called["arguments"] === call.text
    if (isClean) return entry
    return call.isCustom
      ? { index: call.index, id, type, custom: { name: call.name, input: call.text } }
      : { ...entry, index: call.index, id, type, function: { name: call.name, arguments: call.text } }
  }
}
