/**
 * Scenarios inside a well-framed body: cuts, stalls, drips, floods. On a plain request the same fault falls on
 * the JSON text at the same share of its length, unless the scenario says otherwise.
 */
import { deltaChunk } from "./Answer.ts"
import type { Exchange, Scripts } from "./Exchange.ts"
import {
  allOf,
  endBody,
  frame,
  numberAt,
  openBody,
  partsOf,
  replyOf,
  sendAnswer,
  sendPiece,
  sendPieces
} from "./Exchange.ts"

/** Sends the head, the role and so many tokens. */
export const begin = async (exchange: Exchange, tokens: number): Promise<void> => {
  const parts = partsOf(exchange)
  await openBody(exchange)
  await sendPieces(exchange, [parts.role, ...parts.tokens.slice(0, tokens)])
}

const repeat = async (exchange: Exchange, piece: string, everyMs: number): Promise<never> => {
  for (;;) {
    await sendPiece(exchange, piece)
    await exchange.sleep(everyMs)
  }
}

const comment = ": keep-alive\n\n"

const cuts: Scripts = {
  "role-only-reset": {
    faults: [13],
    does: "the role chunk, then RST",
    run: async (exchange) => {
      await begin(exchange, 0)
      await exchange.settle()
      exchange.reset()
    }
  },
  cut: {
    faults: [14],
    does: "RST after [40] of 60 tokens",
    run: async (exchange) => {
      await begin(exchange, numberAt(exchange, 0, 40))
      await exchange.settle()
      exchange.reset()
    }
  },
  "fin-cut": {
    faults: [15],
    does: "FIN after [40] of 60 tokens, the chunked body not terminated",
    run: async (exchange) => {
      await begin(exchange, numberAt(exchange, 0, 40))
      exchange.fin()
    }
  },
  "clean-cut": {
    faults: [16],
    does: "a properly terminated body after [40] of 60 tokens, no finish_reason",
    run: async (exchange) => {
      await begin(exchange, numberAt(exchange, 0, 40))
      await endBody(exchange)
    }
  },
  "done-cut": {
    faults: [16],
    does: "[40] of 60 tokens and [DONE], no finish_reason",
    run: async (exchange) => {
      await begin(exchange, numberAt(exchange, 0, 40))
      await sendPiece(exchange, partsOf(exchange).done)
      await endBody(exchange)
    }
  },
  "cut-bytes": {
    faults: [14, 15, 16],
    does: "the first [1000] bytes of the body, then [rst], fin, or clean: a terminator",
    run: async (exchange) => {
      const body = Buffer.from(allOf(partsOf(exchange)).join(""))
      await openBody(exchange)
      await sendPiece(exchange, body.subarray(0, numberAt(exchange, 0, 1000)))
      if (exchange.args[1] === "clean") return endBody(exchange)
      if (exchange.args[1] === "fin") return exchange.fin()
      await exchange.settle()
      exchange.reset()
    }
  },
  "tool-call": {
    faults: [],
    does: "a whole tool call",
    run: (exchange) => sendAnswer(exchange, replyOf(exchange, { callsTool: true }))
  },
  "tool-cut": {
    faults: [14],
    does: "RST after [4] fragments of a tool call's arguments",
    run: async (exchange) => {
      const parts = partsOf(exchange, replyOf(exchange, { callsTool: true }))
      await openBody(exchange)
      await sendPieces(exchange, [parts.role, ...parts.tokens.slice(0, numberAt(exchange, 0, 4))])
      await exchange.settle()
      exchange.reset()
    }
  }
}

const stalls: Scripts = {
  stall: {
    faults: [18],
    does: "[20] of 60 tokens, then silence; with a second number, the rest after so many ms",
    run: async (exchange) => {
      const tokens = numberAt(exchange, 0, 20)
      await begin(exchange, tokens)
      if (exchange.args[1] === undefined) return exchange.forever()
      await exchange.sleep(numberAt(exchange, 1, 30_000))
      const parts = partsOf(exchange)
      await sendPieces(exchange, [...parts.tokens.slice(tokens), parts.finish, parts.usage, parts.done])
      await endBody(exchange)
    }
  },
  "stall-comments": {
    faults: [9, 18],
    does: "[20] of 60 tokens, then only keep-alive comments, one each [1000] ms",
    run: async (exchange) => {
      await begin(exchange, numberAt(exchange, 0, 20))
      await repeat(exchange, exchange.stream ? comment : " ", numberAt(exchange, 1, 1000))
    }
  }
}

const paces: Scripts = {
  drip: {
    faults: [8],
    does: "the answer, one token each [10000] ms",
    run: async (exchange) => {
      const parts = partsOf(exchange)
      await openBody(exchange)
      await sendPiece(exchange, parts.role)
      for (const token of parts.tokens) {
        await sendPiece(exchange, token)
        await exchange.sleep(numberAt(exchange, 0, 10_000))
      }
      await sendPieces(exchange, [parts.finish, parts.usage, parts.done])
      await endBody(exchange)
    }
  },
  "comments-only": {
    faults: [9],
    does: "keep-alive comments for ever, one each [1000] ms",
    run: async (exchange) => {
      await openBody(exchange)
      await repeat(exchange, exchange.stream ? comment : " ", numberAt(exchange, 0, 1000))
    }
  },
  "comments-then-ok": {
    faults: [9],
    does: "[5] keep-alive comments, one each [100] ms, then the answer",
    run: async (exchange) => {
      const { done, finish, role, tokens, usage } = partsOf(exchange)
      await openBody(exchange)
      for (let n = 0; n < numberAt(exchange, 0, 5); n++) {
        await sendPiece(exchange, exchange.stream ? comment : " ")
        await exchange.sleep(numberAt(exchange, 1, 100))
      }
      await sendPieces(exchange, [role, ...tokens, finish, usage, done])
      await endBody(exchange)
    }
  },
  "role-then-silence": {
    faults: [7],
    does: "the role chunk, then silence",
    run: async (exchange) => {
      await begin(exchange, 0)
      await exchange.forever()
    }
  },
  "empty-deltas": {
    faults: [7],
    does: "the role chunk, then deltas without content for ever, one each [100] ms",
    run: async (exchange) => {
      await begin(exchange, 0)
      const empty = frame(JSON.stringify(deltaChunk(replyOf(exchange), { content: "" })))
      await repeat(exchange, exchange.stream ? empty : " ", numberAt(exchange, 0, 100))
    }
  },
  flood: {
    faults: [54],
    does: "tokens as fast as the reader takes them, [1048576] bytes in all, then the usual end",
    run: async (exchange) => {
      const bytes = numberAt(exchange, 0, 1_048_576)
      const { done, finish, role, tokens, usage } = partsOf(exchange)
      if (!exchange.stream) return sendAnswer(exchange, replyOf(exchange, { text: "water ".repeat(bytes / 6) }))
      const text = tokens.join("")
      await openBody(exchange)
      await sendPiece(exchange, role)
      for (let sent = 0; sent < bytes; sent += text.length) await sendPiece(exchange, text)
      await sendPieces(exchange, [finish, usage, done])
      await endBody(exchange)
    }
  }
}

export const streamScripts: Scripts = { ...cuts, ...stalls, ...paces }
