/** An upstream whose answers have everything that usage can have. The request's `user` says which answer it is. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** Tokens as the upstream counts them. */
const usage = {
  prompt_tokens: 1000,
  completion_tokens: 100,
  total_tokens: 1100,
  prompt_tokens_details: { cached_tokens: 400, audio_tokens: 20 },
  completion_tokens_details: { reasoning_tokens: 60, audio_tokens: 10 }
}

const toolCalls = [{ id: "call_1", type: "function", function: { name: "look", arguments: "{\"at\":\"wall\"}" } }]

interface Asked {
  readonly model: string
  readonly stream?: boolean
  readonly n?: number
  readonly user?: string
}

const bodyOf = ({ model, n = 1, user }: Asked): object => {
  const isTool = user === "tools"
  const message = { role: "assistant", content: isTool ? null : "A wall.", refusal: null }
  return {
    id: "chatcmpl-rich",
    object: "chat.completion",
    created: 1_795_000_000,
    model: `${model}-2026-01-01`,
    service_tier: user === "flex" ? "flex" : "default",
    choices: Array.from({ length: n }, (_, index) => ({
      index,
      finish_reason: isTool ? "tool_calls" : "stop",
      logprobs: null,
      message: isTool ? { ...message, tool_calls: toolCalls } : message
    })),
    usage
  }
}

const eventsOf = ({ model, n = 1, user }: Asked): ReadonlyArray<object | string> => {
  const chunk = (rest: object) => ({
    id: "chatcmpl-rich",
    object: "chat.completion.chunk",
    created: 1_795_000_000,
    model: `${model}-2026-01-01`,
    service_tier: user === "flex" ? "flex" : "default",
    ...rest
  })
  const each = (choice: (index: number) => object) =>
    Array.from({ length: n }, (_, index) => chunk({ choices: [choice(index)] }))
  const delta = user === "tools"
    ? { role: "assistant", tool_calls: toolCalls.map((call, index) => ({ ...call, index })) }
    : { role: "assistant", content: "A wall." }
  const finish = user === "tools" ? "tool_calls" : "stop"
  const said = each((index) => ({ index, delta, finish_reason: null }))
  if (user === "broken") return [...said, chunk({ choices: [], usage })]
  return [
    ...said,
    ...each((index) => ({ index, delta: {}, finish_reason: finish })),
    chunk({ choices: [], usage }),
    "[DONE]"
  ]
}

const vectorsOf = ({ model }: Asked): object => ({
  object: "list",
  data: [{ object: "embedding", index: 0, embedding: [0.6, 0.8] }],
  model: `${model}-2026-01-01`,
  usage: { prompt_tokens: 2, total_tokens: 2 }
})

/** Starts one; `url` ends in `/v1`. */
export const startRich = async () => {
  const headers: Array<Readonly<Record<string, unknown>>> = []
  const server = createServer((request, response) => {
    let text = ""
    headers.push(request.headers)
    request.on("data", (piece) => (text += piece)).on("end", () => {
      // The request is the gateway's own.
      const asked = JSON.parse(text) as Asked
      response.setHeader("x-request-id", "req_rich")
      if (asked.stream !== true) {
        const answer = request.url?.endsWith("/embeddings") === true ? vectorsOf(asked) : bodyOf(asked)
        response.setHeader("content-type", "application/json").end(JSON.stringify(answer))
        return
      }
      response.setHeader("content-type", "text/event-stream")
      for (const event of eventsOf(asked)) {
        response.write(`data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`)
      }
      if (asked.user === "broken") setImmediate(() => response.destroy())
      else response.end()
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  // A server that listens on a TCP port has such an address.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    headers,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}
