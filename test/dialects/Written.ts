/** What a request means, written by hand in OpenAI's words. */
import { carry } from "../../src/providers/protocols/OpaqueState.ts"
import type { Meaning, Part } from "./Meaning.ts"

// A request in OpenAI's dialect, put together here.
type Loose = any

const mark = (part: Part): Loose => "cached" in part && part.cached ? { cache_control: { type: "ephemeral" } } : {}

const contentOf = (part: Part): Loose => {
  switch (part.kind) {
    case "text":
      return { type: "text", text: part.text, ...mark(part) }
    case "image":
      return { type: "image_url", image_url: { url: part.source }, ...mark(part) }
    case "document":
      return { type: "file", file: { filename: "document.pdf", file_data: part.source }, ...mark(part) }
    case "audio": {
      const [, format, data] = /^data:audio\/(\w+);base64,(.*)$/s.exec(part.source) ?? []
      return { type: "input_audio", input_audio: { data, format: format === "mpeg" ? "mp3" : format }, ...mark(part) }
    }
    default:
      throw new Error(`OpenAI's dialect has no words for a ${part.kind} here`)
  }
}

const textOf = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value)

/** Calls that came without ids get them by their order, and so do their results. */
class Ids {
  private readonly open: Array<string> = []
  private count = 0

  call(id: string | undefined): string {
    const given = id ?? `call_${this.count++}`
    this.open.push(given)
    return given
  }

  result(id: string | undefined): string {
    const at = id === undefined ? 0 : this.open.indexOf(id)
    return this.open.splice(at, 1)[0] ?? "nobody's"
  }
}

const messagesOf = ({ parts, role }: Meaning["turns"][number], ids: Ids, model: string): ReadonlyArray<Loose> => {
  const carried = new Map<string, string>()
  const idOf = (part: Part & { readonly kind: "call" }): string => {
    const id = ids.call(part.id)
    const own = part.state === undefined ? id : carry(id, "g", part.state, model)
    carried.set(id, own)
    return own
  }
  const calls = parts.flatMap((part) =>
    part.kind === "call"
      ? [{ id: idOf(part), type: "function", function: { name: part.name, arguments: JSON.stringify(part.input) } }]
      : []
  )
  const results = parts.flatMap((part) =>
    part.kind === "result"
      ? [{ role: "tool", tool_call_id: ids.result(part.id), content: textOf(part.value), ...mark(part) }]
      : []
  )
  const rest = parts.filter(({ kind }) => kind !== "call" && kind !== "result")
  if (role === "user") return [...results, ...(rest.length === 0 ? [] : [{ role, content: rest.map(contentOf) }])]
  const made = rest.filter(({ kind }) => kind === "image").map(contentOf)
  const said = rest.filter(({ kind }) => kind !== "image").map(contentOf)
  return [{
    role,
    content: said.length === 0 ? null : said,
    ...(made.length === 0 ? {} : { images: made }),
    ...(calls.length === 0 ? {} : { tool_calls: calls })
  }]
}

const choiceOf = ({ callable, mustCall, tools }: Meaning): Loose => {
  if (tools.length === callable.length) return mustCall ? "required" : undefined
  if (callable.length === 0) return "none"
  const named = callable.map((name) => ({ type: "function", function: { name } }))
  return { type: "allowed_tools", allowed_tools: { mode: mustCall ? "required" : "auto", tools: named } }
}

const formOf = (form: unknown): Loose => {
  if (form === undefined) return undefined
  if (form === "json") return { type: "json_object" }
  return { type: "json_schema", json_schema: { name: "answer", schema: form, strict: true } }
}

/** The request without members that say nothing; its ids of calls carry what this model of Gemini's sealed. */
export const written = (meaning: Meaning, sealedBy: string): Loose => {
  const ids = new Ids()
  const { system, tools } = meaning
  return JSON.parse(JSON.stringify({
    model: "alias",
    messages: [
      ...(system.length === 0 ? [] : [{ role: "system", content: system.map(contentOf) }]),
      ...meaning.turns.flatMap((turn) => messagesOf(turn, ids, sealedBy))
    ],
    tools: tools.length === 0
      ? undefined
      : tools.map(({ description, name, schema }) => ({
        type: "function",
        function: { name, description, parameters: schema }
      })),
    tool_choice: choiceOf(meaning),
    parallel_tool_calls: meaning.isSerial ? false : undefined,
    response_format: formOf(meaning.form),
    reasoning_effort: meaning.thinks ? "medium" : undefined,
    max_completion_tokens: meaning.maxTokens,
    temperature: meaning.temperature,
    top_p: meaning.topP,
    stop: meaning.stop.length === 0 ? undefined : meaning.stop,
    seed: meaning.seed,
    frequency_penalty: meaning.frequencyPenalty,
    presence_penalty: meaning.presencePenalty,
    n: meaning.choices === 1 ? undefined : meaning.choices,
    user: meaning.user
  }))
}
