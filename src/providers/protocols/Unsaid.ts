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
