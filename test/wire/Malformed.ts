/** Requests that no gateway may pass on: a sound one with one thing wrong, or bytes that are no request at all. */

const sound = { model: "upstream/ok", messages: [{ role: "user", content: "Hello" }] } as const

/** A body, and the member that the answer must name (absent where it is not asserted). */
export interface Malformed {
  readonly what: string
  readonly body: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
  readonly status?: number
  readonly param?: string
}

const wrong = (member: string, values: ReadonlyArray<unknown>, param = member): ReadonlyArray<Malformed> =>
  values.map((value) => ({
    what: `${member} = ${JSON.stringify(value)?.slice(0, 60) ?? "absent"}`,
    body: JSON.stringify({ ...sound, [member]: value }),
    param
  }))

const message = (values: ReadonlyArray<unknown>, param: string): ReadonlyArray<Malformed> =>
  values.map((value) => ({
    what: `message ${JSON.stringify(value).slice(0, 80)}`,
    body: JSON.stringify({ ...sound, messages: [sound.messages[0], value] }),
    param
  }))

const part = (values: ReadonlyArray<unknown>): ReadonlyArray<Malformed> =>
  values.map((value) => ({
    what: `part ${JSON.stringify(value).slice(0, 80)}`,
    body: JSON.stringify({ ...sound, messages: [{ role: "user", content: [value] }] })
  }))

const notNumbers = ["hot", true, [], {}, "1"] as const
const notBooleans = ["yes", 1, [], {}] as const
const notObjects = ["text", 1, true] as const

const members: ReadonlyArray<Malformed> = [
  ...wrong("model", [undefined, null, "", 1, true, [], {}]),
  ...wrong("messages", [undefined, null, "", "Hello", 1, true, {}, []]),
  ...wrong("temperature", [...notNumbers, -0.1, 2.1, 1e9]),
  ...wrong("top_p", [...notNumbers, -0.1, 1.1]),
  ...wrong("frequency_penalty", [...notNumbers, -2.1, 2.1]),
  ...wrong("presence_penalty", [...notNumbers, -2.1, 2.1]),
  ...wrong("n", [...notNumbers, 0, -1, 1.5, 129]),
  ...wrong("max_tokens", [...notNumbers, 0, -1, 1.5]),
  ...wrong("max_completion_tokens", [...notNumbers, 0, -1, 1.5]),
  ...wrong("seed", [...notNumbers, 1.5]),
  ...wrong("stream", notBooleans),
  ...wrong("logprobs", notBooleans),
  ...wrong("store", notBooleans),
  ...wrong("parallel_tool_calls", notBooleans),
  ...wrong("top_logprobs", [...notNumbers, -1, 21, 5]),
  ...wrong("stream_options", [...notObjects, { include_usage: true }]),
  ...wrong("response_format", [...notObjects]),
  ...wrong("metadata", [...notObjects]),
  ...wrong("tools", [...notObjects, {}]),
  ...wrong("tool_choice", ["sometimes", 1, true]),
  ...wrong("reasoning_effort", ["much", 1]),
  ...wrong("verbosity", ["loud", 1]),
  ...wrong("modalities", ["text", ["smell"]]).map(({ param: _, ...rest }) => rest),
  ...wrong("stop", [1, true, {}]),
  ...wrong("logit_bias", ["text", 1]),
  ...wrong("user", [1, true, {}])
]

const messages: ReadonlyArray<Malformed> = [
  ...message([null, 1, "text", true], "messages[1]"),
  ...message(
    [{}, { role: "wizard", content: "x" }, { role: null, content: "x" }, { role: 1, content: "x" }],
    "messages[1].role"
  ),
  ...message([
    { role: "user" },
    { role: "user", content: null },
    { role: "user", content: 1 },
    { role: "user", content: [] },
    { role: "system", content: true },
    { role: "assistant" },
    { role: "assistant", content: 5 },
    { role: "tool", tool_call_id: "a" }
  ], "messages[1].content"),
  ...message([{ role: "tool", content: "x" }], "messages[1].tool_call_id")
]

const parts: ReadonlyArray<Malformed> = part([
  null,
  1,
  {},
  { type: "" },
  { type: 1 },
  { type: "text" },
  { type: "text", text: 1 },
  { type: "image_url" },
  { type: "image_url", image_url: "https://example.com/a.png" },
  { type: "image_url", image_url: {} },
  { type: "image_url", image_url: { url: "" } },
  { type: "image_url", image_url: { url: "file:///etc/passwd" } },
  { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "superb" } },
  { type: "input_audio" },
  { type: "input_audio", input_audio: { data: "", format: "wav" } },
  { type: "file" }
])

const tools: ReadonlyArray<Malformed> = [
  {},
  { type: "function" },
  { type: "function", function: {} },
  { type: "function", function: { name: "" } },
  { type: "function", function: { name: "has space" } },
  { type: "function", function: { name: "a".repeat(65) } },
  { type: "function", function: { name: "f", parameters: "none" } }
].map((tool) => ({
  what: `tool ${JSON.stringify(tool).slice(0, 60)}`,
  body: JSON.stringify({ ...sound, tools: [tool] })
}))

const whole = JSON.stringify(sound)
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)

const texts: ReadonlyArray<Malformed> = [
  ...["", " ", "null", "1", "\"text\"", "[]", "{}", "true", "undefined", "model=ok", "<xml/>", "{", "}", "{]", "\u0000"]
    .map((
      body
    ) => ({ what: `text ${JSON.stringify(body)}`, body })),
  ...Array.from({ length: 20 }, (_, index) => {
    const at = Math.ceil((index + 1) * (whole.length - 1) / 21)
    return { what: `a body cut at ${at}`, body: whole.slice(0, at) }
  }),
  { what: "something behind the body", body: `${whole}{}` },
  { what: "a trailing comma", body: whole.replace(/\}$/, ",}") },
  { what: "single quotes", body: whole.replaceAll("\"", "'") },
  { what: "a comment", body: `/* hello */${whole}` },
  { what: "NaN", body: whole.replace(/\}$/, ",\"temperature\":NaN}") },
  { what: "the model twice", body: whole.replace(/\}$/, ",\"model\":\"upstream/other\"}") },
  { what: "the model twice, once escaped", body: whole.replace(/\}$/, ",\"mod\\u0065l\":\"upstream/other\"}") },
  { what: "stream twice", body: whole.replace(/\}$/, ",\"stream\":true,\"stream\":false}") },
  { what: "nesting of 65", body: whole.replace(/\}$/, `,"x":${nested(65)}}`) },
  { what: "nesting of 100,000", body: whole.replace(/\}$/, `,"x":${nested(100_000)}}`) },
  { what: "2,049 messages", body: JSON.stringify({ ...sound, messages: Array(2049).fill(sound.messages[0]) }) },
  { what: "a body above the limit", body: JSON.stringify({ ...sound, x: "x".repeat(1_100_000) }), status: 413 },
  { what: "UTF-16", body: Buffer.from(whole, "utf16le") },
  { what: "random bytes", body: Buffer.from(Array.from({ length: 512 }, (_, index) => index * 167 % 256)) },
  ...[
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "nonsense"
  ]
    .map((type) => ({ what: `content-type ${type}`, body: whole, headers: { "content-type": type }, status: 415 })),
  ...["", "/", "upstream", "upstream/", "/ok", "nobody/ok", "__proto__", "constructor", "../ok", "a".repeat(10_000)]
    .map((
      model
    ) => ({ what: `model ${model.slice(0, 20)}`, body: JSON.stringify({ ...sound, model }) }))
]

/** Well over two hundred bodies, none of which is a request. The gateway's body limit has to be 1 MB. */
export const bodies: ReadonlyArray<Malformed> = [...members, ...messages, ...parts, ...tools, ...texts]

const head = (...lines: ReadonlyArray<string>) => [...lines, "", ""].join("\r\n")

/** Bytes that are no HTTP request; each is answered with a 4xx or by closing the connection. */
export const wires: ReadonlyArray<{ readonly what: string; readonly bytes: string }> = [
  { what: "no HTTP at all", bytes: "hello there\r\n\r\n" },
  { what: "TLS to a plain port", bytes: "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003" },
  { what: "an unknown method", bytes: head("BREW /v1/chat/completions HTTP/1.1", "host: a") },
  { what: "an unknown version", bytes: head("POST /v1/chat/completions HTTP/9.9", "host: a") },
  { what: "no host", bytes: head("POST /v1/chat/completions HTTP/1.1", "content-length: 0") },
  {
    what: "a length that is no number",
    bytes: head("POST /v1/chat/completions HTTP/1.1", "host: a", "content-length: x")
  },
  { what: "a negative length", bytes: head("POST /v1/chat/completions HTTP/1.1", "host: a", "content-length: -1") },
  {
    what: "two lengths",
    bytes: head("POST /v1/chat/completions HTTP/1.1", "host: a", "content-length: 1", "content-length: 2") + "ab"
  },
  {
    what: "a length and chunks",
    bytes: head("POST /v1/chat/completions HTTP/1.1", "host: a", "content-length: 5", "transfer-encoding: chunked") +
      "0\r\n\r\n"
  },
  {
    what: "a broken chunk",
    bytes: head("POST /v1/chat/completions HTTP/1.1", "host: a", "transfer-encoding: chunked") + "zz\r\nab\r\n"
  },
  { what: "a header without a name", bytes: head("POST /v1/chat/completions HTTP/1.1", "host: a", ": b") },
  {
    what: "headers beyond reason",
    bytes: head("POST /v1/chat/completions HTTP/1.1", "host: a", `x: ${"x".repeat(100_000)}`)
  }
]
