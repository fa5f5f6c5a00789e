/** What was said in an answer, read leniently from any host's chunks or message, to compare before with after. */

export interface Said {
  content: string
  reasoning: string
  readonly calls: Array<{ readonly name: string; readonly arguments: unknown }>
  finish: string
}

// Recorded JSON of many hosts, read by hand.
type Loose = any

const textOf = (content: Loose): string =>
  typeof content === "string"
    ? content
    : Array.isArray(content)
    ? content.filter((part) => part.type === "text").map((part) => part.text).join("")
    : ""

const thinkingOf = (holder: Loose): string =>
  Array.isArray(holder.content)
    ? holder.content.filter((part: Loose) => part.type === "thinking")
      .flatMap((part: Loose) => part.thinking.map((inner: Loose) => inner.text)).join("")
    : holder.reasoning_content ?? holder.reasoning ?? ""

const valueOf = (text: Loose): unknown => {
  if (typeof text !== "string") return text ?? {}
  try {
    return JSON.parse(text === "" ? "{}" : text)
  } catch {
    return text
  }
}

const finishOf = (said: string | undefined, hasCalls: boolean): string =>
  hasCalls && (said === "stop" || said === "tool_use") ? "tool_calls" : said === "eos" ? "stop" : said || "stop"

export const ofMessage = (choice: Loose): Said => {
  const calls = (choice.message.tool_calls ?? []).map((call: Loose) => ({
    name: call.function.name,
    arguments: valueOf(call.function.arguments)
  }))
  return {
    content: textOf(choice.message.content),
    reasoning: thinkingOf(choice.message),
    calls,
    finish: finishOf(choice.finish_reason, calls.length > 0)
  }
}

/** The choice of index 0, put together from its deltas. */
export const ofChunks = (chunks: ReadonlyArray<Loose>): Said => {
  let content = ""
  let reasoning = ""
  let finish: string | undefined
  const calls = new Map<unknown, { name: string; text: string }>()
  for (const choice of chunks.flatMap((chunk) => chunk.choices ?? [])) {
    if ((choice.index ?? 0) !== 0) continue
    const delta = choice.delta ?? {}
    content += textOf(delta.content)
    reasoning += thinkingOf(delta)
    if (finish === undefined && choice.finish_reason) finish = choice.finish_reason
    for (const entry of delta.tool_calls ?? []) {
      const call = calls.get(entry.index) ?? { name: "", text: "" }
      calls.set(entry.index, call)
      call.name ||= entry.function?.name ?? ""
      call.text += entry.function?.arguments ?? ""
    }
  }
  return {
    content,
    reasoning,
    calls: [...calls.values()].map(({ name, text }) => ({ name, arguments: valueOf(text) })),
    finish: finishOf(finish, calls.size > 0)
  }
}

/** The last usage that was told. */
export const usageOf = (values: ReadonlyArray<Loose>): Loose =>
  values.map((value) => value.usage ?? value.x_groq?.usage).findLast((usage) => usage)
