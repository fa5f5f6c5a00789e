/** Scenarios about how a stream ends: a missing or a doubled end, an end that never comes, an error in place of one. */
import { errorBody } from "./Answer.ts"
import type { Exchange, Scripts } from "./Exchange.ts"
import { endBody, frame, numberAt, openBody, partsOf, sendBody, sendJson, sendPiece, sendPieces } from "./Exchange.ts"
import { begin } from "./StreamScripts.ts"

const ends: Scripts = {
  "never-ending": {
    faults: [19],
    does: "the answer up to finish_reason and usage, then the socket stays open and silent",
    run: async (exchange) => {
      const { finish, usage } = partsOf(exchange)
      await begin(exchange, Infinity)
      await sendPieces(exchange, [finish, usage])
      await exchange.forever()
    }
  },
  "done-then-open": {
    faults: [19],
    does: "the answer with [DONE], then the socket stays open and silent",
    run: async (exchange) => {
      const { done, finish, usage } = partsOf(exchange)
      await begin(exchange, Infinity)
      await sendPieces(exchange, [finish, usage, done])
      await exchange.forever()
    }
  },
  "no-done": {
    faults: [20],
    does: "the answer without [DONE]",
    run: async (exchange) => {
      const { finish, role, tokens, usage } = partsOf(exchange)
      await sendBody(exchange, [role, ...tokens, finish, usage])
    }
  },
  "done-then-more": {
    faults: [21],
    does: "the answer, [DONE], then more content, another finish_reason and another [DONE]",
    run: async (exchange) => {
      const { done, finish, role, tokens, usage } = partsOf(exchange)
      const more = exchange.stream ? [...tokens.slice(0, 5), finish, usage, done] : []
      await sendBody(exchange, [role, ...tokens, finish, usage, done, ...more])
    }
  },
  "duplicate-end": {
    faults: [22],
    does: "finish_reason and usage twice",
    run: async (exchange) => {
      const { done, finish, role, tokens, usage } = partsOf(exchange)
      const again = exchange.stream ? [finish, usage] : []
      await sendBody(exchange, [role, ...tokens, finish, usage, ...again, done])
    }
  }
}

const overloaded = { message: "Overloaded", type: "overloaded_error" } as const

/** Errors inside a 200, by the name a scenario gives them. */
const inBandErrors: Readonly<Record<string, string>> = {
  openai: frame(JSON.stringify(errorBody({ message: "The server had an error", type: "server_error" }))),
  anthropic: `event: error\n${frame(JSON.stringify({ type: "error", error: overloaded }))}`,
  bare: `${JSON.stringify({ error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } })}\n\n`,
  coded: frame(JSON.stringify({ error: { code: 429, message: "Rate limited", metadata: { provider_name: "Fault" } } })),
  "response-failed": `event: response.failed\n${
    frame(JSON.stringify({
      type: "response.failed",
      response: { status: "failed", error: { code: "server_error", message: "The model failed" } }
    }))
  }`
}

const inBand = (exchange: Exchange, index: number): string => {
  const [kind = "openai"] = exchange.args.slice(index)
  const text = inBandErrors[kind]
  if (text === undefined) throw new Error(`no error event called ${kind}`)
  return text
}

const errors: Scripts = {
  "error-first": {
    faults: [30, 32],
    does: "status 200 whose first event is an error of kind [openai]; as the JSON body on a plain request",
    run: (exchange) =>
      exchange.stream
        ? sendBody(exchange, [inBand(exchange, 0), partsOf(exchange).done])
        : sendJson(exchange, 200, errorBody(overloaded))
  },
  "error-after": {
    faults: [31, 32],
    does: "[20] tokens, then an error event of kind [openai] and the end; on a plain request the JSON is cut there",
    run: async (exchange) => {
      await begin(exchange, numberAt(exchange, 0, 20))
      if (exchange.stream) await sendPiece(exchange, inBand(exchange, 1))
      await endBody(exchange)
    }
  },
  "json-error-200": {
    faults: [33],
    does: "status 200 with an error as a JSON body, streaming or not",
    run: (exchange) => sendJson(exchange, 200, errorBody({ message: "The server had an error", type: "server_error" }))
  },
  "empty-stream": {
    faults: [36],
    does: "headers and a terminator, no body at all",
    run: async (exchange) => {
      await openBody(exchange)
      await endBody(exchange)
    }
  }
}

export const endingScripts: Scripts = { ...ends, ...errors }
