import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer, type Server, type ServerResponse } from "node:http"
import { type Gateway, start } from "./Gateway.ts"

const word = "twelve bytes"
const ask = { messages: [{ role: "user", content: "Twenty bytes of text" }] }

const eventOf = (more: object, content: string | undefined, finish: string | null = null): string => {
  const delta = content === undefined ? {} : { content }
  const choices = [{ index: 0, delta, finish_reason: finish }]
  const chunk = { id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices, ...more }
  return `data: ${JSON.stringify(chunk)}\n\n`
}

const usage = (completion: number) => ({
  usage: { prompt_tokens: 7, completion_tokens: completion, total_tokens: 7 + completion }
})

/** Ten events, and what comes then; with `counted`, each but the last two says what was used so far. */
const stream = (response: ServerResponse, isCounted: boolean, end: string): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(eventOf({}, ""))
  for (let at = 1; at <= 10; at++) response.write(eventOf(isCounted && at <= 8 ? usage(at * 5) : {}, word))
  // The cut comes after what was written has left.
  if (end === "cut") response.write(": last\n\n", () => setImmediate(() => response.destroy()))
  if (end === "clean") response.end(`${eventOf({}, undefined, "stop")}data: [DONE]\n\n`)
}

/** Counts, and comes to no content: it breaks off, or it ends. */
const empty = (response: ServerResponse, end: string): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(eventOf(usage(0), ""), () => end === "cut" && setImmediate(() => response.destroy()))
  if (end === "clean") response.end(`${eventOf({}, undefined, "stop")}${eventOf(usage(0), "")}data: [DONE]\n\n`)
}

const whole = {
  id: "c",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{
    index: 0,
    finish_reason: "stop",
    logprobs: null,
    message: { role: "assistant", content: word.repeat(10) }
  }]
}

/** An answer that its upstream says it broke off. */
const broken = { ...whole, choices: whole.choices.map((choice) => ({ ...choice, finish_reason: "error" })) }

const models = [
  ...["cut", "stall", "leave", "clean", "whole"].flatMap((end) => [`plain-${end}`, `counted-${end}`]),
  "empty-cut",
  "empty-clean",
  "broken-whole",
  "spent-whole"
]

/** Answers of status 200 that are none, in other words than OpenAI's, and what says that 7 tokens went up and 40 came down. */
const none = [
  ["/v1/messages", {
    answer: { type: "message", id: "a", role: "assistant", model: "m", stop_reason: "end_turn" },
    counts: { usage: { input_tokens: 7, output_tokens: 40 } }
  }],
  ["ontent", {
    answer: { candidates: [{ index: 0, finishReason: "MALFORMED_FUNCTION_CALL" }] },
    counts: { usageMetadata: { promptTokenCount: 7, thoughtsTokenCount: 40, totalTokenCount: 47 } }
  }],
  ["/converse", {
    answer: { output: { message: { role: "assistant", content: [] } }, stopReason: "malformed_model_output" },
    counts: { usage: { inputTokens: 7, outputTokens: 40, totalTokens: 47 } }
  }]
] as const

/** Below `/spent` they count, below `/silent` they do not. */
const answerOther = (url: string, response: ServerResponse): void => {
  const [path = ""] = url.split("?")
  const [, found] = none.find(([end]) => path.endsWith(end)) ?? none[0]
  const body = JSON.stringify({ ...found.answer, ...(path.startsWith("/spent") ? found.counts : {}) })
  const isStream = path.includes(":stream")
  response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" })
  if (!path.includes("cut")) return void response.end(isStream ? `data: ${body}\n\n` : body)
  const said = { candidates: [{ index: 0, content: { parts: [{ text: word }] } }], ...none[1][1].counts }
  response.write(`data: ${JSON.stringify(said)}\n\n`, () => setImmediate(() => response.destroy()))
}

/** A provider of each kind that counts, and one that does not. */
const others = (origin: string, price: object) =>
  Object.fromEntries(
    ["anthropic", "gemini", "bedrock"].flatMap((kind) =>
      ["spent", "silent"].map((name) => {
        const prices = {
          [`${kind}-${name}`]: price,
          [`${kind}-streamed-${name}`]: price,
          [`${kind}-cut-${name}`]: price
        }
        const place = kind === "bedrock" ? { region: "eu-central-1" } : {}
        return [`${kind}-${name}`, { kind, baseUrl: `${origin}/${name}`, apiKey: "key", prices, ...place }]
      })
    )
  )

let upstream: Server
let gateway: Gateway

beforeAll(async () => {
  upstream = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => body += String(chunk)).on("end", () => {
      const { url = "" } = request
      if (!url.startsWith("/v1/")) return answerOther(url, response)
      const [kind, end = ""] = String(JSON.parse(body).model).split("-")
      if (kind === "empty") return empty(response, end)
      if (end !== "whole") return stream(response, kind === "counted", end)
      response.setHeader("content-type", "application/json")
      if (kind === "broken") return response.end(JSON.stringify(broken))
      if (kind === "spent") return response.end(JSON.stringify({ ...broken, ...usage(40) }))
      response.end(JSON.stringify(kind === "counted" ? { ...whole, ...usage(40) } : whole))
    })
  })
  await once(upstream.listen(0, "127.0.0.1"), "listening")
  const address = upstream.address()
  const port = typeof address === "object" ? address?.port : 0
  const price = { usdPerMtok: { input: "1", output: "2" } }
  const origin = `http://127.0.0.1:${port}`
  gateway = await start({
    providers: {
      up: {
        kind: "openai-compatible",
        baseUrl: `${origin}/v1`,
        apiKey: "none",
        prices: Object.fromEntries(models.map((model) => [model, price]))
      },
      ...others(origin, price)
    },
    defaults: { retry: { attempts: 1 }, timeouts: { idle: "300ms" } }
  })
})

afterAll(async () => {
  await gateway.stop()
  upstream.closeAllConnections()
  upstream.close()
})

/** What the ledger has of a model, once it has anything. */
const booked = async (model: string) => {
  for (;;) {
    const { sums } = await (await fetch(`${gateway.origin}/api/v1/usage?by=model`)).json() as {
      readonly sums: ReadonlyArray<Readonly<Record<string, unknown>>>
    }
    const found = sums.find(({ name }) => name === model)
    if (found !== undefined) return found
  }
}

/** Asks for a stream, and leaves after ten words or reads it to its end, whatever that is. */
const read = async (model: string, provider = "up") => {
  const leave = new AbortController()
  const { body } = await fetch(`${gateway.url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: `${provider}/${model}`, stream: true, ...ask }),
    signal: leave.signal
  })
  let text = ""
  try {
    for await (const part of body ?? []) {
      text += Buffer.from(part).toString()
      if (model.endsWith("leave") && text.split(word).length > 10) leave.abort()
    }
  } catch {
    // It left.
  }
  return booked(model)
}

// 20 bytes and a message are 9 tokens, 120 bytes are 30.
const guessed = { unpriced: 1, estimated_usd: "0.000069", estimated_tokens: { input: 9, output: 30 } }

describe("what a provider does not count", () => {
  it.each(["cut", "stall", "leave", "clean"])(
    "is estimated, and in no sum of cost, when a stream's end is: %s",
    async (end) => {
      const sum = await read(`plain-${end}`)
      expect(sum).toMatchObject({ ...guessed, requests: 1, tokens: { input: 0, output: 0 } })
      expect(sum).not.toHaveProperty("cost_usd")
    }
  )

  it.each(["cut", "stall", "leave"])(
    "is added to what it had counted by then when a stream's end is: %s",
    async (end) => {
      expect(await read(`counted-${end}`)).toMatchObject({
        requests: 1,
        unpriced: 1,
        tokens: { input: 7, output: 40 },
        // Two words of 12 bytes came after the last count.
        estimated_tokens: { input: 7, output: 46 },
        estimated_usd: "0.000099"
      })
    }
  )

  it("is what came after the count of the prompt where a stream broke off before its first content", async () => {
    expect(await read("empty-cut")).toMatchObject({
      unpriced: 1,
      tokens: { input: 7, output: 0 },
      estimated_tokens: { input: 7, output: 0 },
      estimated_usd: "0.000007"
    })
  })

  it("is nothing where a stream ended without content and was counted to its end", async () => {
    expect(await read("empty-clean")).toMatchObject({ unpriced: 0, cost_usd: "0.000007", tokens: { input: 7 } })
  })

  const askWhole = (model: string) =>
    fetch(`${gateway.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: `up/${model}`, ...ask })
    })

  it("is estimated for a whole answer, which then claims no cost", async () => {
    const answer = await askWhole("plain-whole")
    expect(answer.headers.get("x-breakwater-cost-usd")).toBeNull()
    expect(await booked("plain-whole")).toMatchObject(guessed)
    await gateway.says(/"breakwater\.cost\.status":"estimated".*"breakwater\.cost\.estimated_usd":"0\.000069"/)
    const record = await fetch(
      `${gateway.origin}/api/v1/health/monitoring/requests/${answer.headers.get("x-request-id")}`
    )
    expect(await record.json()).toMatchObject({
      cost_absent: "usage",
      estimated_usd: "0.000069",
      attempts: [{ estimated_output_tokens: 30, estimated_usd: "0.000069" }]
    })
  })

  it("is not known, and no cost of 0, where a whole answer broke off", async () => {
    expect((await askWhole("broken-whole")).status).toBe(502)
    expect(await booked("broken-whole")).toMatchObject({ unpriced: 1 })
    expect(await booked("broken-whole")).not.toHaveProperty("cost_usd")
  })

  it("is nothing where such an answer says what it used", async () => {
    expect((await askWhole("spent-whole")).status).toBe(502)
    expect(await booked("spent-whole")).toMatchObject({ unpriced: 0, cost_usd: "0.000087", tokens: { input: 7 } })
  })

  const askOther = async (kind: string, name: string, model: string, stream = false) => {
    const answer = await fetch(`${gateway.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: `${kind}-${name}/${model}`, stream, ...ask })
    })
    expect(answer.status).toBe(502)
    return booked(model)
  }

  it.each(["anthropic", "gemini", "bedrock"])(
    "is nothing, or not known, as such an answer in the words of %s has it",
    async (kind) => {
      const spent = await askOther(kind, "spent", `${kind}-spent`)
      expect(spent).toMatchObject({ unpriced: 0, cost_usd: "0.000087", tokens: { input: 7 } })
      const silent = await askOther(kind, "silent", `${kind}-silent`)
      expect(silent).toMatchObject({ unpriced: 1 })
      expect(silent).not.toHaveProperty("cost_usd")
    }
  )

  it("is nothing, or not known, as a stream of Gemini's has it that came to nothing", async () => {
    const spent = await askOther("gemini", "spent", "gemini-streamed-spent", true)
    expect(spent).toMatchObject({ unpriced: 0, cost_usd: "0.000087", tokens: { input: 7 } })
    expect(await askOther("gemini", "silent", "gemini-streamed-silent", true)).toMatchObject({ unpriced: 1 })
  })

  it("is nothing where each event of a stream of Gemini's counts and the stream is cut", async () => {
    expect(await read("gemini-cut-spent", "gemini-spent")).toMatchObject({
      unpriced: 0,
      cost_usd: "0.000087",
      tokens: { input: 7 }
    })
  })

  it("is nothing where a stream that ended well has been counted on its way", async () => {
    expect(await read("counted-clean")).toMatchObject({
      unpriced: 0,
      cost_usd: "0.000087",
      estimated_usd: "0",
      tokens: { input: 7, output: 40 }
    })
  })

  it("is nothing where all was counted", async () => {
    const answer = await askWhole("counted-whole")
    expect(answer.headers.get("x-breakwater-cost-usd")).toBe("0.000087")
    expect(await booked("counted-whole")).toMatchObject({
      unpriced: 0,
      cost_usd: "0.000087",
      estimated_usd: "0",
      estimated_tokens: { input: 0, output: 0 }
    })
  })

  it("is counted at /metrics among what has no price, and adds nothing to the cost", async () => {
    const page = await (await fetch(`${gateway.origin}/metrics`)).text()
    const total = (name: string) =>
      [...page.matchAll(new RegExp(`^breakwater_${name}_total\\{target="up/\\*"\\} (\\S+)$`, "gm"))].reduce(
        (sum, [, n]) => sum + Number(n),
        0
      )
    expect(total("estimated")).toBe(8)
    expect(total("unpriced")).toBe(8)
    expect(total("cost_usd")).toBeCloseTo(0.000174, 12)
  })
})
