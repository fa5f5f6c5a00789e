/** Scenarios below the body: resets, silence, broken heads, odd statuses and lying connection headers. */
import { promisify } from "node:util"
import { gzip, gzipSync } from "node:zlib"
import type { Exchange, Scripts } from "./Exchange.ts"
import { allOf, headText, numberAt, openBody, partsOf, replyOf, sendAnswer, sendPieces, sendWhole } from "./Exchange.ts"

const resetNow = async (exchange: Exchange): Promise<void> => exchange.reset()

const wholeText = (exchange: Exchange): string => allOf(partsOf(exchange)).join("")

const contentType = (exchange: Exchange): string => exchange.stream ? "text/event-stream" : "application/json"

const resets: Scripts = {
  "reset-before-headers": { faults: [10], does: "RST instead of an answer, every time", run: resetNow },
  "reset-before-headers-once": {
    faults: [10],
    does: "RST instead of an answer once, then the answer",
    run: (exchange) => exchange.attempt.n === 1 ? resetNow(exchange) : sendAnswer(exchange)
  },
  "reset-on-reuse": {
    faults: [11],
    does: "the answer, then RST to its every later request on the same socket",
    run: (exchange) => exchange.onSocket > 1 ? resetNow(exchange) : sendAnswer(exchange)
  },
  "close-idle": {
    faults: [11],
    does: "the answer with a promise to keep the connection, then FIN after [0] ms",
    run: async (exchange) => {
      await sendAnswer(exchange, replyOf(exchange), { connection: "keep-alive", "keep-alive": "timeout=60" })
      await exchange.sleep(numberAt(exchange, 0, 0))
      exchange.fin()
    }
  },
  "reset-mid-headers": {
    faults: [12],
    does: "half a response head, then RST",
    run: async (exchange) => {
      await exchange.write("HTTP/1.1 200 OK\r\nContent-Type: text/ev")
      await exchange.settle()
      exchange.reset()
    }
  },
  "fin-before-headers": {
    faults: [10],
    does: "FIN instead of an answer, every time",
    run: async (exchange) => exchange.fin()
  },
  "half-close": {
    faults: [17],
    does: "stops reading at once, sends the whole answer, then FIN",
    run: async (exchange) => {
      exchange.stopReading()
      await sendAnswer(exchange, replyOf(exchange), { connection: "close" })
      exchange.fin()
    }
  }
}

const silences: Scripts = {
  silence: { faults: [5], does: "accepts and never answers", run: (exchange) => exchange.forever() },
  "silence-once": {
    faults: [5],
    does: "never answers the first attempt, then the answer",
    run: (exchange) => exchange.attempt.n === 1 ? exchange.forever() : sendAnswer(exchange)
  },
  "slow-headers": {
    faults: [6],
    does: "the response head one byte each [1000] ms, then the answer",
    run: async (exchange) => {
      const body = wholeText(exchange)
      const length = String(Buffer.byteLength(body))
      const head = headText(200, { "content-type": contentType(exchange), "content-length": length })
      for (const byte of head) {
        await exchange.write(byte)
        await exchange.sleep(numberAt(exchange, 0, 1000))
      }
      await exchange.write(body)
    }
  },
  "headers-then-silence": {
    faults: [7],
    does: "headers at once, then nothing",
    run: async (exchange) => {
      await openBody(exchange)
      await exchange.forever()
    }
  },
  "slow-first": {
    faults: [7],
    does: "headers at once, the answer after [20000] ms",
    run: async (exchange) => {
      await openBody(exchange)
      await exchange.sleep(numberAt(exchange, 0, 20_000))
      await sendPieces(exchange, allOf(partsOf(exchange)))
      await exchange.write("0\r\n\r\n")
    }
  },
  "slow-answer": {
    faults: [7],
    does: "nothing at all for [20000] ms, then headers and the answer",
    run: async (exchange) => {
      await exchange.sleep(numberAt(exchange, 0, 20_000))
      await sendAnswer(exchange)
    }
  }
}

const heads: Scripts = {
  "huge-headers": {
    faults: [55],
    does: "the answer with one header of [64] KiB",
    run: (exchange) =>
      sendAnswer(exchange, replyOf(exchange), { "x-huge": "h".repeat(numberAt(exchange, 0, 64) * 1024) })
  },
  "many-headers": {
    faults: [55],
    does: "the answer with [10000] headers",
    run: (exchange) => {
      const names = Array.from(
        { length: numberAt(exchange, 0, 10_000) },
        (_, index) => [`x-many-${index}`, "1"] as const
      )
      return sendAnswer(exchange, replyOf(exchange), Object.fromEntries(names))
    }
  },
  garbage: {
    faults: [24],
    does: "[4096] seeded random bytes instead of HTTP, then FIN",
    run: async (exchange) => {
      await exchange.write(Uint8Array.from({ length: numberAt(exchange, 0, 4096) }, () => exchange.random() * 256))
      exchange.fin()
    }
  },
  "204": {
    faults: [56],
    does: "204 without a body",
    run: (exchange) => exchange.write(headText(204, {}, "No Content"))
  },
  "302": {
    faults: [56],
    does:
      "302 to the same server under another name and path; followed, it shows in the log as GET or POST of /v1/elsewhere",
    run: (exchange) => {
      const port = exchange.request.headers["host"]?.split(":")[1] ?? "80"
      return sendWhole(exchange, 302, "", { location: `http://localhost:${port}/v1/elsewhere` })
    }
  },
  "early-hints": {
    faults: [56],
    does: "103 Early Hints, then the answer",
    run: async (exchange) => {
      await exchange.write("HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n")
      await sendAnswer(exchange)
    }
  },
  "close-delimited": {
    faults: [],
    does: "the whole answer with neither length nor chunks, ended by FIN",
    run: async (exchange) => {
      const head = headText(200, { "content-type": contentType(exchange), connection: "close" })
      await exchange.write(head + wholeText(exchange))
      exchange.fin()
    }
  },
  "content-length-short": {
    faults: [15],
    does: "the whole answer, then FIN although content-length promised 100 bytes more",
    run: async (exchange) => {
      const body = wholeText(exchange)
      const length = String(Buffer.byteLength(body) + 100)
      await exchange.write(headText(200, { "content-type": contentType(exchange), "content-length": length }) + body)
      exchange.fin()
    }
  }
}

const encodings: Scripts = {
  gzip: {
    faults: [55],
    does: "the whole answer in honest gzip, asked for or not",
    run: (exchange) =>
      sendWhole(exchange, 200, gzipSync(wholeText(exchange)), {
        "content-type": contentType(exchange),
        "content-encoding": "gzip"
      })
  },
  "gzip-mismatch": {
    faults: [55],
    does: "content-encoding gzip on a plain body",
    run: (exchange) => sendAnswer(exchange, replyOf(exchange), { "content-encoding": "gzip" })
  },
  "gzip-bomb": {
    faults: [55],
    does: "gzip that unpacks to [64] MiB of one comment line",
    run: async (exchange) => {
      // Beside the loop, or every other request of the server would stand still meanwhile.
      const bomb = await promisify(gzip)(Buffer.alloc(numberAt(exchange, 0, 64) * 1024 * 1024, ":"))
      await sendWhole(exchange, 200, bomb, { "content-type": contentType(exchange), "content-encoding": "gzip" })
    }
  },
  "wrong-content-type": {
    faults: [57],
    does: "the answer as text/plain",
    run: (exchange) => sendAnswer(exchange, replyOf(exchange), { "content-type": "text/plain" })
  }
}

export const connectionScripts: Scripts = { ...resets, ...silences, ...heads, ...encodings }
