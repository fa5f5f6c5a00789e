import { afterAll, describe, expect, it } from "@effect/vitest"
import { checkChat } from "../../src/server/ChatBody.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { exchanges, isPresent } from "../exchanges/Recorded.ts"
import { envelopeFaults, errorOf, hello, post } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

const { limits, rules } = defaultServerSettings
const user = { role: "user", content: "x" }
const tool = { type: "function", function: { name: "tide" } }
const call = (id: string) => ({ id, type: "function", function: { name: "tide", arguments: "{}" } })
const file = (filename: string) => ({ role: "user", content: [{ type: "file", file: { filename, file_data: "x" } }] })

interface Rule {
  readonly what: string
  readonly body: Readonly<Record<string, unknown>>
  readonly param: string | null
  readonly code: string
  /** How to mend it. */
  readonly says: RegExp
}

const routing = [
  "api_base",
  "apiBase",
  "base_url",
  "baseUrl",
  "baseURL",
  "api_key",
  "apiKey",
  "api-key",
  "API_KEY",
  "Api_Base",
  "extra_headers",
  "extraHeaders",
  "extra_body",
  "extra_query",
  "default_headers",
  "headers",
  "authorization",
  "custom_llm_provider",
  "aws_secret_access_key",
  "aws_bedrock_runtime_endpoint",
  "azure_ad_token",
  "vertex_credentials",
  "http_client",
  "ssl_verify",
  "litellm_params"
].map((member): Rule => ({
  what: `the member ${member}`,
  body: { [member]: "http://169.254.169.254/" },
  param: member,
  code: "routing_member",
  says: /Remove it; where an SDK adds it/
}))

const spelt: ReadonlyArray<Rule> = ["Model", "MODEL", "Messages", "me\u017f\u017fages", "Max_Tokens", "N", "Stream"]
  .map((member) => ({
    what: `the member ${member}`,
    body: { [member]: "m2" },
    param: member,
    code: "routing_member",
    says: /some upstreams read it as '[a-z_]+'/
  }))

const pairs: ReadonlyArray<Rule> = [
  {
    what: "both limits of tokens",
    body: { max_tokens: 5, max_completion_tokens: 5 },
    param: "max_tokens",
    code: "conflicting_members",
    says: /Send max_completion_tokens alone/
  },
  {
    what: "functions beside tools",
    body: { functions: [{ name: "tide" }], tools: [tool] },
    param: "functions",
    code: "conflicting_members",
    says: /Send tools alone/
  },
  {
    what: "function_call beside tool_choice",
    body: { function_call: "auto", tool_choice: "auto" },
    param: "function_call",
    code: "conflicting_members",
    says: /Send tool_choice alone/
  },
  {
    what: "a tool that must be chosen from none",
    body: { tool_choice: "required" },
    param: "tool_choice",
    code: "missing_companion",
    says: /Send the tools/
  },
  {
    what: "a choice from an empty list",
    body: { tools: [], tool_choice: "required" },
    param: "tool_choice",
    code: "missing_companion",
    says: /Send the tools/
  },
  {
    what: "a choice of a tool that is not there",
    body: { tools: [tool], tool_choice: { type: "function", function: { name: "moon" } } },
    param: "tool_choice",
    code: "unknown_tool",
    says: /Add the tool/
  },
  {
    what: "a function that must be called without any",
    body: { function_call: { name: "tide" } },
    param: "function_call",
    code: "missing_companion",
    says: /Send the functions/
  }
]

const results: ReadonlyArray<Rule> = [
  {
    what: "a result without a call",
    body: { messages: [user, { role: "tool", tool_call_id: "a", content: "4 m" }] },
    param: "messages[1].tool_call_id",
    code: "unknown_tool_call",
    says: /Send the assistant message/
  },
  {
    what: "a result of another call",
    body: {
      messages: [
        user,
        { role: "assistant", tool_calls: [call("a")] },
        { role: "tool", tool_call_id: "b", content: "4 m" }
      ]
    },
    param: "messages[2].tool_call_id",
    code: "unknown_tool_call",
    says: /the id of its call/
  },
  {
    what: "a result before its call",
    body: {
      messages: [
        user,
        { role: "tool", tool_call_id: "a", content: "4 m" },
        { role: "assistant", tool_calls: [call("a")] }
      ]
    },
    param: "messages[1].tool_call_id",
    code: "unknown_tool_call",
    says: /before it/
  }
]

const hidden = ["\u0000", "\n", "\u001b[31m", "\u202e", "\u2066", "\u{e0041}", "\u2028", "\ud800"].flatMap(
  (character): ReadonlyArray<Rule> => {
    const common = { code: "hidden_character", says: /Send it without/ }
    const text = `a${character}b`
    return [
      {
        ...common,
        what: `a value of metadata with ${JSON.stringify(character)}`,
        body: { metadata: { k: text } },
        param: "metadata.k"
      },
      {
        ...common,
        what: `the id of a call with ${JSON.stringify(character)}`,
        body: { messages: [user, { role: "assistant", tool_calls: [call(text)] }] },
        param: "messages[1].tool_calls[0].id"
      },
      {
        ...common,
        what: `a name of metadata with ${JSON.stringify(character)}`,
        body: { metadata: { [text]: "v" } },
        param: "metadata"
      },
      ...["model", "user", "safety_identifier", "prompt_cache_key"].map((member) => ({
        ...common,
        what: `${member} with ${JSON.stringify(character)}`,
        body: { [member]: text },
        param: member
      })),
      {
        ...common,
        what: `a message's name with ${JSON.stringify(character)}`,
        body: { messages: [{ ...user, name: text }] },
        param: "messages[0].name"
      }
    ]
  }
)

const sizes: ReadonlyArray<Rule> = [
  ["user", { user: "u".repeat(1025) }],
  ["prompt_cache_key", { prompt_cache_key: "u".repeat(1025) }],
  ["messages[1].name", { messages: [user, { ...user, name: "n".repeat(1025) }] }],
  ["stop", { stop: "s".repeat(4097) }],
  ["stop[1]", { stop: ["a", "s".repeat(4097)] }]
].map(([param, body]) => ({
  what: `${String(param)} that is too long`,
  body: body as Rule["body"],
  param: String(param),
  code: "too_long",
  says: /Shorten it/
}))

const many = (count: number, value: unknown) => Array.from({ length: count }, () => value)

const counts: ReadonlyArray<Rule> = [
  { param: "messages", body: { messages: many(2049, user) }, says: /raise server\.limits\.messages/ },
  { param: "tools", body: { tools: many(1025, tool) }, says: /raise server\.limits\.tools/ },
  {
    param: "messages[1].content",
    body: { messages: many(2, { role: "user", content: many(2049, { type: "text", text: "x" }) }) },
    says: /raise server\.limits\.parts/
  }
].map((rule) => ({ ...rule, what: `too many in ${rule.param}`, code: "too_many" }))

const names: ReadonlyArray<Rule> = [
  "../../etc/passwd",
  "a.exe",
  "a.php.jpg",
  "CON",
  ".env",
  "-rf",
  "a\u202efdp.exe",
  "a\u0000.pdf",
  "．．／a",
  "a".repeat(256),
  ""
].map((name) => ({
  what: `the filename ${JSON.stringify(name).slice(0, 40)}`,
  body: { messages: [user, { ...file(name) }] },
  param: "messages[1].content[0].file.filename",
  code: "dangerous_filename",
  says: /Send a plain name such as report\.pdf/
}))

const hazards: ReadonlyArray<Rule> = ["__proto__", "constructor", "prototype"].flatMap((member) =>
  [
    { body: { [member]: { a: 1 } }, what: `${member} at the top` },
    { body: { x: { y: [{ [member]: 1 }] } }, what: `${member} inside` }
  ].map((rule) => ({
    ...rule,
    // A literal would set the prototype; this makes it a member.
    body: JSON.parse(JSON.stringify(rule.body).replaceAll("{}", `{"${member}":1}`)),
    param: member,
    code: "hazardous_member",
    says: /Rename it/
  }))
)

const others: ReadonlyArray<Rule> = [
  ...["..", "../x", "a/../b", "a/./b", "a/..", "a\\..\\b"].map((model) => ({
    what: `the model ${model}`,
    body: { model },
    param: "model",
    code: "invalid_model_name",
    says: /GET \/v1\/models/
  })),
  {
    what: "more members than are read",
    body: { x: Array(200_001).fill(0) },
    param: null,
    code: "too_many_members",
    says: /raise server\.limits\.members/
  }
]

const table = [
  ...routing,
  ...spelt,
  ...pairs,
  ...results,
  ...hidden,
  ...sizes,
  ...counts,
  ...names,
  ...hazards,
  ...others
]

describe("a request that its schema has nothing against", () => {
  const fake = makeFake()
  const server = makeServer(fake)
  afterAll(server.dispose)

  it.each(table)("is a 400 with $code for $what, and asks no upstream", async ({ body, code, param, says }) => {
    const reply = await post(server, { ...hello, ...body })
    expect(envelopeFaults(reply.text)).toEqual([])
    expect({ status: reply.status, ...errorOf(reply) }).toMatchObject({ status: 400, code, param })
    expect(errorOf(reply).message).toMatch(says)
    if (param !== null) expect(errorOf(reply).message).toContain(param.split(".")[0])
    expect(fake.asked).toEqual([])
  })
})

describe("a long body", () => {
  const messages = JSON.stringify(hello).slice(0, -1)

  it.each([
    ["too_deep", `${messages},"x":${"[".repeat(100_000)}`],
    ["too_many_members", `${messages},"x":[${"0,".repeat(200_001)}`],
    ["too_many_members", `${messages},"x":[${"[]".repeat(200_002)}`]
  ])("is judged before it is parsed: %s though it is no JSON", (code, text) => {
    expect(checkChat(text, limits)).toMatchObject({ code })
  })

  it("is taken up to the limits, whatever its texts hold", () => {
    const text = `${messages},"x":[${"[[0]],".repeat(60_000)}${JSON.stringify("[,{".repeat(200_000))}]}`
    expect(checkChat(text, limits)).toHaveProperty("request")
  })
})

const passes: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "one limit of tokens beside a null": { max_tokens: null, max_completion_tokens: 5 },
  "tool_choice none or auto without tools": { tool_choice: "auto" },
  "a choice of a tool that is there": { tools: [tool], tool_choice: { type: "function", function: { name: "tide" } } },
  "results in any order, twice and later": {
    messages: [
      user,
      { role: "assistant", content: null, tool_calls: [call("a"), call("b")] },
      { role: "tool", tool_call_id: "b", content: "2" },
      user,
      { role: "tool", tool_call_id: "a", content: "1" },
      { role: "tool", tool_call_id: "a", content: "1" }
    ]
  },
  "a schema with any name in it": {
    tools: [{
      type: "function",
      function: { name: "f", parameters: { properties: { constructor: {}, prototype: { type: "string" } } } }
    }]
  },
  "the same in a format": {
    response_format: { type: "json_schema", json_schema: { name: "f", schema: { properties: { constructor: {} } } } }
  },
  "names with accents and in other scripts": { user: "Zoë-日本", metadata: { equipe: "Müller & Söhne" } },
  "a filename in another script": { messages: [file("отчёт 2026.pdf")] },
  "members that only some provider knows": { provider: { order: ["a"] }, transforms: ["x"], thinking: { type: "x" } },
  "a model with slashes, dots and colons": { model: "openrouter/meta-llama/llama-3.1:free@v1" },
  "hidden characters in a prompt": { messages: [{ role: "user", content: "\u0000\u202e\u{e0041}\u2028<script>" }] }
}

describe("what the rules leave alone", () => {
  it.each(Object.entries(passes))("%s", (_, body) => {
    expect(checkChat(JSON.stringify({ ...hello, ...body }), limits, [], rules)).not.toHaveProperty("_tag")
  })

  it.skipIf(!isPresent)("every recorded request: none breaks a rule", () => {
    const refused = exchanges.flatMap(({ name, request }) => {
      const checked = checkChat(JSON.stringify(request.body), limits, [], rules)
      // A refusal by the schema has no code; two hosts take what OpenAI does not.
      return "_tag" in checked && checked.code !== undefined ? [`${name}: ${checked.message}`] : []
    })
    expect(refused).toEqual([])
  })
})

describe("settings of the rules", () => {
  const check = (body: Readonly<Record<string, unknown>>, own: Partial<typeof rules>) =>
    checkChat(JSON.stringify({ ...hello, ...body }), limits, [], { ...rules, ...own })

  it("lenient carries hidden characters in metadata, and still none in an identifier", () => {
    expect(check({ metadata: { k: "a\u202eb" } }, { unicode: "lenient" })).not.toHaveProperty("_tag")
    expect(check({ user: "a\u202eb" }, { unicode: "lenient" })).toMatchObject({ param: "user" })
  })

  it("a list of extensions is all that is taken", () => {
    const files = { allow: new Set(["pdf"]) }
    expect(check({ messages: [file("a.pdf")] }, { files })).not.toHaveProperty("_tag")
    expect(check({ messages: [file("a.docx")] }, { files })).toMatchObject({ code: "dangerous_filename" })
  })
})
