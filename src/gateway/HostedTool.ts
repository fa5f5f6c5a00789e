/** Tools that an upstream runs by itself and OpenAI's dialect has words for, for toolkits of Effect AI. They need no handler. */
import * as Tool from "effect/ai/Tool"
import * as Schema from "effect/Schema"

/**
 * A search of the web, as `web_search_options` of the request; pages that the answer cites are its `source` parts. An upstream that
 * cannot be told is asked without it, and `web_search_options` is named as dropped in the decision.
 */
export const WebSearch = Tool.providerDefined({
  id: "breakwater.web_search",
  customName: "WebSearch",
  providerName: "web_search",
  args: Schema.Struct({
    /** How much of what is found the model reads; default the upstream's. */
    search_context_size: Schema.optionalKey(Schema.Literals(["low", "medium", "high"])),
    /** Where the search is made from, in OpenAI's form. */
    user_location: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
  })
})

/** Whether it is the tool above. */
export const isWebSearch = (tool: Tool.Any): boolean =>
  Tool.isProviderDefined(tool) && tool.id === "breakwater.web_search"
