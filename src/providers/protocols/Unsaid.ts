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

/** What is to be cached, in OpenAI's word for it or in Anthropic's. */
export const isMarked = (holder: Holder): boolean =>
  isHolder(holder["cache_control"]) || isHolder(holder["prompt_cache_breakpoint"])

/** Roles whose name says nothing more: a function's is said as its call's, and the call that a tool answers has an id. */
const named: ReadonlySet<unknown> = new Set(["function", "tool"])

const objectsIn = (list: unknown): ReadonlyArray<Holder> => Array.isArray(list) ? list.filter(isHolder) : []

/** What a dialect has words for; absent = no. */
export interface Vocabulary {
  /** Marks of what is to be cached. */
  readonly hasCache?: boolean
  /** Images in earlier answers. */
  readonly hasImages?: boolean
}

/**
 * What no dialect but OpenAI's has words for within messages: the names of who speaks, and how closely an image is to be looked
 * at; and of the rest what this one has none for.
 */
export const noteUnsaidIn = (
  messages: ReadonlyArray<Holder>,
  dropped: Set<string>,
  { hasCache = false, hasImages = false }: Vocabulary
): void => {
  for (const message of messages) {
    const { content, name, role } = message
    if (typeof name === "string" && !named.has(role)) dropped.add("name")
    if (!hasImages && objectsIn(message["images"]).length > 0) dropped.add("images")
    const parts = objectsIn(content)
    const holders = [message, ...parts, ...objectsIn(message["tool_calls"])]
    if (!hasCache && holders.some(isMarked)) dropped.add("cache_control")
    for (const part of parts) {
      const { image_url: image } = part
      const detail = isHolder(image) ? image["detail"] : undefined
      if (typeof detail === "string" && detail !== "auto") dropped.add("detail")
    }
  }
}
