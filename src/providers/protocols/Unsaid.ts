/** The parameters of a request that a dialect has no words for, by name: every member that it neither says nor may leave unsaid. */

/** Members that every dialect says in one way or another, or that only the gateway heeds. */
const usual = [
  "model",
  "messages",
  "max_completion_tokens",
  "max_tokens",
  "temperature",
  "top_p",
  "n",
  "stop",
  "stream",
  "stream_options",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "functions",
  "function_call",
  "response_format",
  "reasoning_effort",
  "service_tier"
] as const

/** Values with which a parameter says nothing, as JSON. */
const saysNothing: ReadonlyMap<string, string> = new Map([
  ["frequency_penalty", "0"],
  ["presence_penalty", "0"],
  ["logit_bias", "{}"],
  ["logprobs", "false"],
  ["store", "false"],
  ["modalities", "[\"text\"]"],
  ["verbosity", "\"medium\""],
  ["metadata", "{}"]
])

/** Names that are told; a request may have any number of members. */
const maxNames = 20

/** What a dialect says: the usual members and its own. */
export const saying = (own: ReadonlyArray<string>): ReadonlySet<string> => new Set([...usual, ...own])

/** Adds what is not said to `dropped`. */
export const noteUnsaid = (
  request: Readonly<Record<string, unknown>>,
  said: ReadonlySet<string>,
  dropped: Set<string>
): void => {
  for (const [name, value] of Object.entries(request)) {
    if (said.has(name) || value === null || value === undefined) continue
    if (saysNothing.has(name) && JSON.stringify(value) === saysNothing.get(name)) continue
    // It goes into a header.
    dropped.add(name.slice(0, 64).replaceAll(/[^\w.-]/g, "_"))
    if (dropped.size >= maxNames) return
  }
}

type Holder = Readonly<Record<string, unknown>>

const isHolder = (value: unknown): value is Holder => typeof value === "object" && value !== null

const isMarked = (holder: Holder): boolean =>
  isHolder(holder["cache_control"]) || isHolder(holder["prompt_cache_breakpoint"])

/** Roles whose name says nothing more: a function's is said as its call's, and the call that a tool answers has an id. */
const named: ReadonlySet<unknown> = new Set(["function", "tool"])

/**
 * What no dialect but OpenAI's has words for within messages: the names of who speaks, and how closely an image is to be looked
 * at. `hasCache`: the dialect knows marks of what is to be cached; else those are named as well.
 */
export const noteUnsaidIn = (messages: ReadonlyArray<Holder>, dropped: Set<string>, hasCache: boolean): void => {
  for (const message of messages) {
    const { content, name, role } = message
    if (typeof name === "string" && !named.has(role)) dropped.add("name")
    if (!hasCache && isMarked(message)) dropped.add("cache_control")
    if (!Array.isArray(content)) continue
    for (const part of content) {
      if (!isHolder(part)) continue
      if (!hasCache && isMarked(part)) dropped.add("cache_control")
      const { image_url: image } = part
      const detail = isHolder(image) ? image["detail"] : undefined
      if (typeof detail === "string" && detail !== "auto") dropped.add("detail")
    }
  }
}
