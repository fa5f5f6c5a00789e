/**
 * An upstream that speaks OpenAI's dialect with an accent: the defects of real vendors that were seen to break one client or
 * another. The request's `model` names the defect.
 */
import { createServer } from "node:http"
import { listening } from "./Listening.ts"

const words = ["Stone ", "after ", "stone."] as const
export const said = words.join("")
export const call = { name: "get_tide", arguments: "{\"harbour\":\"Whitby\"}" } as const

const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_795_000_000, model: "defect" }
const chunk = (delta: unknown, finish: string | null = null, more: object = {}) => ({
  ...base,
  choices: [{ index: 0, delta, finish_reason: finish }],
  ...more
})
const role = chunk({ role: "assistant", content: "" })
const text = words.map((content) => chunk({ content }))
const stop = chunk({}, "stop")
const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }

const tool = (delta: object, finish: string | null = null) => chunk({ tool_calls: [delta] }, finish)
const opening = { index: 0, id: "call_1", type: "function", function: { name: call.name, arguments: "" } }
const pieces = ["{\"harbour\":", "\"Whitby\"}"]
const fragments = pieces.map((piece) => tool({ index: 0, function: { arguments: piece } }))
const toolEnd = chunk({}, "tool_calls")

/** Streams whose meaning is the whole text, however strangely they are put. */
export const texts: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  "no role in the first delta": [...text, stop],
  "a role on each delta": [role, ...words.map((content) => chunk({ role: "assistant", content })), stop],
  "usage without choices": [role, ...text, stop, { ...base, usage }],
  "usage on the finish chunk": [role, ...text, chunk({}, "stop", { usage })],
  "usage null on each chunk": [role, ...text.map((each) => ({ ...each, usage: null })), stop],
  "an empty data line": [role, "", ...text, stop],
  "another id on each chunk": [role, ...text, stop].map((each, index) => ({ ...each, id: `chatcmpl-${index}` })),
  "no id, created or model": [role, ...text, stop].map(({ choices }) => ({ object: base.object, choices })),
  "an empty first chunk": [{ ...base, choices: [], prompt_filter_results: [] }, role, ...text, stop],
  "an unknown member": [role, ...text.map((each) => ({ ...each, x_groq: { id: "a" } })), stop],
  "content null beside the finish": [role, ...text, chunk({ content: null }, "stop")],
  "the finish on the last word": [role, ...text.slice(0, -1), chunk({ content: words[2] }, "stop")]
}

/** Streams whose meaning is one whole call of the tool. */
export const tools: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  "a call as it should be": [role, tool(opening), ...fragments, toolEnd],
  "a call without index": [
    role,
    tool({ ...opening, index: undefined }),
    ...pieces.map((piece) => tool({ function: { arguments: piece } })),
    toolEnd
  ],
  "an index that starts at one": [
    role,
    tool({ ...opening, index: 1 }),
    ...pieces.map((piece) => tool({ index: 1, function: { arguments: piece } })),
    toolEnd
  ],
  "a call without type": [role, tool({ ...opening, type: undefined }), ...fragments, toolEnd],
  "a call without id": [role, tool({ ...opening, id: undefined }), ...fragments, toolEnd],
  "id and name on each delta": [
    role,
    ...["", ...pieces].map((piece) => tool({ ...opening, function: { name: call.name, arguments: piece } })),
    toolEnd
  ],
  "arguments as an object": [
    role,
    tool({ ...opening, function: { name: call.name, arguments: { harbour: "Whitby" } } }),
    toolEnd
  ],
  "a call in one piece with its finish": [role, tool({ ...opening, function: call }, "tool_calls")],
  "finish_reason stop after a call": [role, tool(opening), ...fragments, stop],
  "a call without a role": [tool(opening), ...fragments, toolEnd]
}

/** Streams that break after their first words. */
export const breaks: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  "no finish_reason": [role, ...text],
  "an error as text": [role, ...text, { error: "the model crashed" }],
  "an error with a number as code": [role, ...text, { error: { message: "the model crashed", code: 500 } }],
  "an error beside choices": [role, ...text, { ...base, choices: [], error: { message: "the model crashed" } }]
}

const all: Readonly<Record<string, ReadonlyArray<unknown>>> = { ...texts, ...tools, ...breaks }

const frame = (value: unknown): string => `data: ${value === "" ? "" : JSON.stringify(value)}\n\n`

/** Starts it on a free port; `url` is the base URL. */
export const start = async (): Promise<{ readonly url: string; readonly close: () => void }> => {
  const server = createServer(async (request, response) => {
    const body = (await request.setEncoding("utf8").toArray()).join("")
    const chunks = all[JSON.parse(body).model] ?? []
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.end([...chunks.map(frame), "data: [DONE]\n\n"].join(""))
  })
  const { close, url } = await listening(server)
  return { url: `${url}/v1`, close }
}
