/** Scenarios that answer with an HTTP error: rate limits, quotas, outages, bad credentials, refused requests. */
import type { ErrorFacts } from "./Answer.ts"
import { errorBody } from "./Answer.ts"
import type { Exchange, Headers, Script, Scripts } from "./Exchange.ts"
import { numberAt, replyOf, sendAnswer, sendError, sendWhole } from "./Exchange.ts"

const rateLimited: ErrorFacts = {
  message: "Rate limit reached for requests. Limit: 3, Used: 3, Requested: 1.",
  type: "requests",
  code: "rate_limit_exceeded"
}

const known: Readonly<Record<number, ErrorFacts>> = {
  400: {
    message: "Invalid value for 'messages'.",
    type: "invalid_request_error",
    param: "messages",
    code: "invalid_value"
  },
  401: {
    message: "Incorrect API key provided: sk-fault0000000000000000000000001234.",
    type: "invalid_request_error",
    code: "invalid_api_key"
  },
  403: {
    message: "Country, region, or territory not supported",
    type: "request_forbidden",
    code: "unsupported_country_region_territory"
  },
  404: {
    message: "The model `fault` does not exist or you do not have access to it.",
    type: "invalid_request_error",
    code: "model_not_found"
  },
  429: rateLimited,
  500: { message: "The server had an error while processing your request. Sorry about that!", type: "server_error" },
  503: { message: "The engine is currently overloaded, please try again later", type: "server_error" },
  529: { message: "Overloaded", type: "overloaded_error" }
}

const factsOf = (status: number): ErrorFacts =>
  known[status] ?? { message: `Fault ${status}`, type: status < 500 ? "invalid_request_error" : "server_error" }

const failStatus = (exchange: Exchange, status: number, headers: Headers = {}): Promise<void> =>
  sendError(exchange, status, factsOf(status), headers)

/** The headers of each strange rate-limit hint, by the name a scenario gives it. */
export const hints: Readonly<Record<string, (amount: number) => Headers>> = {
  hour: () => ({ "retry-after": "3600" }),
  huge: () => ({ "retry-after": "1000000000" }),
  negative: () => ({ "retry-after": "-5" }),
  zero: () => ({ "retry-after": "0" }),
  nan: () => ({ "retry-after": "soon" }),
  empty: () => ({ "retry-after": "" }),
  fraction: () => ({ "retry-after": "0.5" }),
  past: () => ({ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }),
  date: () => ({ "retry-after": new Date(Date.now() + 2000).toUTCString() }),
  "far-date": () => ({ "retry-after": "Fri, 31 Dec 2100 23:59:59 GMT" }),
  ms: (amount) => ({ "retry-after-ms": String(amount) }),
  "ms-negative": () => ({ "retry-after-ms": "-100" }),
  "ms-nan": () => ({ "retry-after-ms": "NaN", "retry-after": "NaN" }),
  "ms-and-hour": (amount) => ({ "retry-after-ms": String(amount), "retry-after": "3600" }),
  reset: () => ({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s" }),
  body: () => ({})
}

const hinted = async (exchange: Exchange): Promise<void> => {
  const [kind = "hour"] = exchange.args
  const make = hints[kind]
  if (make === undefined) throw new Error(`no rate-limit hint called ${kind}`)
  if (exchange.attempt.n > numberAt(exchange, 1, Infinity)) return sendAnswer(exchange)
  const facts = kind === "body"
    ? { ...rateLimited, message: "Rate limit reached. Please try again in 20s." }
    : rateLimited
  await sendError(exchange, 429, facts, make(numberAt(exchange, 2, 40)))
}

const lasting = (status: number, faults: ReadonlyArray<number>): Script => ({
  faults,
  does: `${status}, every time`,
  run: (exchange) => failStatus(exchange, status)
})

const once = (status: number, faults: ReadonlyArray<number>): Script => ({
  faults,
  does: `one ${status}, then the answer`,
  run: (exchange) => exchange.attempt.n === 1 ? failStatus(exchange, status) : sendAnswer(exchange)
})

const refused = (faults: ReadonlyArray<number>, does: string, status: number, facts: ErrorFacts): Script => ({
  faults,
  does,
  run: (exchange) => sendError(exchange, status, facts)
})

const page = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"

const moneyAndRates: Scripts = {
  "429": lasting(429, [38, 41]),
  "429-retry-after": {
    faults: [37],
    does: "429 with Retry-After of [1] seconds, [1] times, then the answer",
    run: (exchange) =>
      exchange.attempt.n > numberAt(exchange, 1, 1)
        ? sendAnswer(exchange)
        : failStatus(exchange, 429, { "retry-after": String(numberAt(exchange, 0, 1)) })
  },
  "429-hint": {
    faults: [39],
    does: "429 with a strange hint of kind [hour], [always] or so many times, amount [40] where the kind has one",
    run: hinted
  },
  "429-quota": refused([40], "429 insufficient_quota, every time", 429, {
    message: "You exceeded your current quota, please check your plan and billing details.",
    type: "insufficient_quota",
    code: "insufficient_quota"
  }),
  "429-spend-limit": refused([40], "429 for a project's spend limit, without a hint", 429, {
    message: "This project has reached its spend limit.",
    type: "insufficient_quota",
    code: "project_spend_limit_exceeded"
  }),
  "429-too-large": refused([39], "429 for a request that can never fit the limit", 429, {
    message: "Request too large for fault on tokens per min (TPM): Limit 10000, Requested 20000.",
    type: "tokens",
    code: "rate_limit_exceeded"
  })
}

const refusals: Scripts = {
  "context-length": refused([48], "400 context_length_exceeded", 400, {
    message: "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    type: "invalid_request_error",
    param: "messages",
    code: "context_length_exceeded"
  }),
  "content-filter": {
    faults: [48],
    does: "400 content_filter as Azure words it",
    run: (exchange) => {
      const message = "The response was filtered due to the prompt triggering the content management policy."
      const { error } = errorBody({ message, type: "invalid_request_error", param: "prompt", code: "content_filter" })
      const innererror = {
        code: "ResponsibleAIPolicyViolation",
        content_filter_result: { violence: { filtered: true } }
      }
      const body = JSON.stringify({ error: { ...error, status: 400, innererror } })
      return sendWhole(exchange, 400, body, { "content-type": "application/json" })
    }
  },
  "no-prefill": {
    faults: [49],
    does: "400 when the last message is the assistant's, else the answer",
    run: (exchange) =>
      exchange.lastRole !== "assistant" ? sendAnswer(exchange) : sendError(exchange, 400, {
        message:
          "This model does not support assistant message prefill. The conversation must end with a user message.",
        type: "invalid_request_error"
      })
  }
}

export const statusScripts: Scripts = {
  ok: { faults: [], does: "the canonical answer", run: (exchange) => sendAnswer(exchange) },
  ...moneyAndRates,
  ...refusals,
  "400": lasting(400, [50]),
  "401": lasting(401, [58]),
  "403": lasting(403, []),
  "404": lasting(404, []),
  "500": lasting(500, [42]),
  "503": lasting(503, [42]),
  "529": lasting(529, [42]),
  "401-unless": {
    faults: [58],
    does: "401 unless the bearer token is [fresh]",
    run: (exchange) => {
      const [token = "fresh"] = exchange.args
      const isKnown = exchange.attempt.headers["authorization"] === `Bearer ${token}`
      return isKnown ? sendAnswer(exchange) : failStatus(exchange, 401)
    }
  },
  "401-once": once(401, [58]),
  "500-once": once(500, [42]),
  "503-once": once(503, [42]),
  status: {
    faults: [42],
    does: "status [500], [always] or so many times, then the answer",
    run: (exchange) =>
      exchange.attempt.n > numberAt(exchange, 1, Infinity)
        ? sendAnswer(exchange)
        : failStatus(exchange, numberAt(exchange, 0, 500))
  },
  html: {
    faults: [34, 63],
    does: "an HTML page with status [200]",
    run: (exchange) => sendWhole(exchange, numberAt(exchange, 0, 200), page, { "content-type": "text/html" })
  },
  brownout: {
    faults: [43],
    does: "500 for a share of [0.3] of the requests by the seed, else the answer",
    run: (exchange) => exchange.random() < numberAt(exchange, 0, 0.3) ? failStatus(exchange, 500) : sendAnswer(exchange)
  },
  "slow-brownout": {
    faults: [44],
    does: "for a share of [0.5] of the requests the answer comes after [3000] ms",
    run: async (exchange) => {
      if (exchange.random() < numberAt(exchange, 0, 0.5)) await exchange.sleep(numberAt(exchange, 1, 3000))
      await sendAnswer(exchange)
    }
  },
  flapping: {
    faults: [45, 46],
    does: "[3] attempts answer 503, the next [3] are healthy, and so on",
    run: (exchange) => {
      const down = numberAt(exchange, 0, 3)
      const up = numberAt(exchange, 1, 3)
      return (exchange.attempt.n - 1) % (down + up) < down ? failStatus(exchange, 503) : sendAnswer(exchange)
    }
  },
  "content-filter-answer": {
    faults: [48],
    does: "twenty words and finish_reason content_filter, a completed answer",
    run: (exchange) => {
      const reply = replyOf(exchange, { finishReason: "content_filter" })
      return sendAnswer(exchange, { ...reply, tokens: reply.tokens.slice(0, 20) })
    }
  }
}
