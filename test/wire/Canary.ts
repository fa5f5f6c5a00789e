/**
 * What must not be found anywhere: a word for each place in which a caller or an operator writes something that is nobody else's
 * business, and an upstream that repeats all of it in every way that it has.
 */
import { createServer, type ServerResponse } from "node:http"
import { listening } from "./Listening.ts"

/** None of them looks like a secret, so that only knowing them, or not telling at all, helps. */
export const canaries = {
  prompt: "prompt parakeet quill",
  system: "system sparrow quill",
  toolArguments: "tool toucan quill",
  toolDescription: "tool tern quill",
  image: "aW1hZ2UgaWJpcyBxdWlsbA",
  user: "user umbrellabird quill",
  answer: "answer albatross quill",
  upstream: "upstream upupa quill",
  clientKey: "client.cockatoo.quill",
  adminKey: "admin.auklet.quill",
  providerKey: "provider.penguin.quill",
  otlpKey: "otlp.oriole.quill",
  headerKey: "header.heron.quill"
} as const

/** What a caller may see of them in no answer at all. */
export const secrets: ReadonlyArray<string> = [
  canaries.clientKey,
  canaries.adminKey,
  canaries.providerKey,
  canaries.otlpKey,
  canaries.headerKey
]

/** The canaries of this text. */
export const found = (text: string, among: ReadonlyArray<string> = Object.values(canaries)): ReadonlyArray<string> =>
  among.filter((canary) => text.includes(canary))

const call = {
  id: "call_1",
  type: "function",
  function: { name: "look", arguments: JSON.stringify({ at: canaries.toolArguments }) }
} as const

/** A request with a canary in each of its parts; `model` says what the upstream does. */
export const requestOf = (model: string, stream: boolean) => ({
  model: `${model === "401" ? "refused" : "up"}/${model}`,
  stream,
  user: canaries.user,
  messages: [
    { role: "system", content: canaries.system },
    {
      role: "user",
      content: [
        { type: "text", text: canaries.prompt },
        { type: "image_url", image_url: { url: `data:image/png;base64,${canaries.image}` } }
      ]
    },
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "call_1", content: canaries.toolArguments }
  ],
  tools: [{
    type: "function",
    function: { name: "look", description: canaries.toolDescription, parameters: { type: "object" } }
  }]
})

const completion = (content: string, finish: string, name = "ok") => ({
  id: name,
  object: "chat.completion",
  created: 1,
  model: name,
  service_tier: name,
  choices: [{
    index: 0,
    finish_reason: finish,
    logprobs: null,
    message: { role: "assistant", content, refusal: null, tool_calls: [call] }
  }],
  usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
})

const chunk = (delta: object, finish: string | null = null, name = "ok") =>
  `data: ${
    JSON.stringify({
      id: name,
      object: "chat.completion.chunk",
      created: 1,
      model: name,
      service_tier: name,
      choices: [{ index: 0, delta, finish_reason: finish }]
    })
  }\n\n`

const begin = (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(chunk({ role: "assistant", content: canaries.answer }))
}

/** What the upstream does with a request, by the model's name; `echo` holds all that it was sent. */
const plays: Readonly<Record<string, (response: ServerResponse, echo: string, stream: boolean) => void>> = {
  ok: (response, _, stream) => {
    if (!stream) {
      response.writeHead(200, { "content-type": "application/json" }).end(
        JSON.stringify(completion(canaries.answer, "tool_calls"))
      )
      return
    }
    begin(response)
    response.write(chunk({ tool_calls: [{ index: 0, ...call }] }))
    response.end(`${chunk({}, "tool_calls")}data: [DONE]\n\n`)
  },
  // Wherever an id, a name or a word is expected, something else.
  word: (response, _, stream) => {
    const { upstream } = canaries
    if (stream) {
      response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": upstream })
      response.write(chunk({ role: "assistant", content: canaries.answer }, null, upstream))
      response.end(`${chunk({}, upstream, upstream)}data: [DONE]\n\n`)
      return
    }
    const answer = completion(canaries.answer, upstream, upstream)
    response.writeHead(200, { "content-type": "application/json", "x-request-id": canaries.upstream })
    response.end(JSON.stringify(answer))
  },
  cut: (response) => {
    begin(response)
    setTimeout(() => response.destroy(), 20)
  },
  frame: (response, echo) => {
    begin(response)
    response.end(`data: ${JSON.stringify({ error: { message: echo, code: "server_error" } })}\n\n`)
  },
  hang: (response) => begin(response),
  html: (response, echo) => void response.writeHead(200, { "content-type": "text/html" }).end(`<p>${echo}</p>`),
  nonsense: (response, echo) => void response.writeHead(200, { "content-type": "application/json" }).end(`{"${echo}`)
}

const refuse = (response: ServerResponse, status: number, echo: string): void => {
  response.writeHead(status, { "content-type": "application/json", "x-request-id": canaries.upstream })
  response.end(JSON.stringify({ error: { message: echo, type: "some_error", param: "messages", code: "some_code" } }))
}

/** Starts it on a free port; `url` is the base URL. */
export const start = async (): Promise<{ readonly url: string; readonly close: () => void }> => {
  const server = createServer(async (request, response) => {
    const body = (await request.setEncoding("utf8").toArray()).join("")
    const { model, stream } = JSON.parse(body)
    // The message of an error is bounded, so what matters most comes first.
    const echo = `${canaries.upstream}: ${request.headers.authorization} ${request.headers["x-secret"]} sent ${body}`
    if (/^\d+$/.test(model)) refuse(response, Number(model), echo)
    else (plays[model] ?? plays["ok"])?.(response, echo, stream === true)
  })
  const { close, url } = await listening(server)
  return { url: `${url}/v1`, close }
}

/** An OTLP/HTTP receiver that keeps every byte it is sent, by path; what is packed is not read. */
export const receiver = async () => {
  const received = new Map<string, string>()
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
      const path = request.url ?? ""
      received.set(path, (received.get(path) ?? "") + Buffer.concat(chunks).toString("latin1"))
      response.end("{}")
    })
  })
  return {
    ...await listening(server),
    forget: () => received.clear(),
    of: (path: string): string => received.get(path) ?? ""
  }
}
