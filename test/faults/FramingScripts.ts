/** Scenarios about bytes and events: line ends, splits, malformed events, odd fields, and bodies of the wrong shape. */
import { deltaChunk, unicodeAnswer } from "./Answer.ts"
import type { Exchange, Frame, Script, Scripts } from "./Exchange.ts"
import {
  allOf,
  endBody,
  frame,
  numberAt,
  openBody,
  partsOf,
  replyOf,
  sendAnswer,
  sendBody,
  sendJson,
  sendPiece,
  sendPieces,
  sendWhole
} from "./Exchange.ts"

/** The answer with every event written in its own way; plain requests get the plain answer. */
const framedAs = (faults: ReadonlyArray<number>, does: string, framed: () => Frame): Script => ({
  faults,
  does,
  run: (exchange) => sendBody(exchange, allOf(partsOf(exchange, replyOf(exchange), framed())))
})

/** Every pair of line ends but CR then LF, which would be one end. */
const mixedEnds = (): Frame => {
  const pairs = ["\n\n", "\r\n\r\n", "\r\r", "\n\r\n", "\r\n\n", "\r\n\r", "\n\r", "\r\r\n"]
  let event = 0
  return (data) => `data: ${data}${pairs[event++ % pairs.length] ?? ""}`
}

/** JSON over several lines, each its own data line; text inside strings has no line breaks, so the JSON stays the same. */
const manyLines: Frame = (data) => {
  if (data === "[DONE]") return frame(data)
  return JSON.stringify(JSON.parse(data), null, 1).split("\n").map((line) => `data: ${line}\n`).join("") + "\n"
}

const fields = (): Frame => {
  let n = 0
  return (data) => `: note ${n}\nid: ${n++}\nretry: 50\nevent: message\nunknown: field\nnocolon\ndata: ${data}\n\n`
}

const framings: Scripts = {
  crlf: framedAs([27], "line ends CRLF", () => (data) => `data: ${data}\r\n\r\n`),
  cr: framedAs([27], "line ends CR", () => (data) => `data: ${data}\r\r`),
  "mixed-ends": framedAs([27], "line ends LF, CRLF and CR in every pairing", mixedEnds),
  bom: {
    faults: [27],
    does: "a byte order mark before the first event",
    run: (exchange) => sendBody(exchange, ["\uFEFF", ...allOf(partsOf(exchange))])
  },
  "multi-line": framedAs([28], "each event's JSON over many data lines", () => manyLines),
  "no-space": framedAs([28], "data: without a space", () => (data) => `data:${data}\n\n`),
  fields: framedAs([28], "id, retry, event, unknown fields and comments around each event", fields),
  "one-write": {
    faults: [26],
    does: "the whole body in one chunk",
    run: (exchange) => sendBody(exchange, [allOf(partsOf(exchange)).join("")])
  },
  "big-line": {
    faults: [29],
    does: "one event whose line has [1048576] bytes of padding, in the middle of the answer",
    run: (exchange) => {
      const { done, finish, role, tokens, usage } = partsOf(exchange)
      const reply = replyOf(exchange)
      const filler = { ...Object(deltaChunk(reply, {})), obfuscation: "x".repeat(numberAt(exchange, 0, 1_048_576)) }
      const padding = exchange.stream ? frame(JSON.stringify(filler)) : " ".repeat(numberAt(exchange, 0, 1_048_576))
      const pieces = exchange.stream
        ? [role, ...tokens.slice(0, 30), padding, ...tokens.slice(30)]
        : [padding, role, ...tokens]
      return sendBody(exchange, [...pieces, finish, usage, done])
    }
  }
}

/** A line of 64 KiB, of which an event may have many. */
const longLine = `data: ${" ".repeat(65_536 - "data: \n".length)}\n`

const bytes: Scripts = {
  "big-event": {
    faults: [29],
    does: "one event of [10485760] bytes over lines of 64 KiB, in the middle of the answer",
    run: (exchange) => {
      const lines = Math.ceil(numberAt(exchange, 0, 10_485_760) / longLine.length)
      return inTheMiddle(exchange, [...Array.from({ length: lines }, () => longLine), "data: {}\n\n"])
    }
  },
  "utf8-split": {
    faults: [25],
    does: "an answer of emoji and CJK, cut inside its characters",
    run: async (exchange) => {
      const body = Buffer.from(allOf(partsOf(exchange, replyOf(exchange, { text: unicodeAnswer }))).join(""))
      const isInside = (index: number) => ((body[index] ?? 0) & 0xc0) === 0x80
      const cuts = Array.from(body.keys()).filter((index, at) => isInside(index) && at % 2 === 0)
      await sendBody(exchange, [0, ...cuts].map((from, at) => body.subarray(from, cuts[at] ?? body.length)))
    }
  },
  "byte-by-byte": {
    faults: [26],
    does: "every byte of the body in its own chunk",
    run: async (exchange) => {
      await openBody(exchange)
      for (const piece of allOf(partsOf(exchange))) {
        const chunks = Array.from(Buffer.from(piece), (byte) => `1\r\n${String.fromCharCode(byte)}\r\n`)
        await exchange.write(Buffer.from(chunks.join(""), "latin1"))
      }
      await endBody(exchange)
    }
  },
  "garbage-body": {
    faults: [24],
    does: "[512] seeded random bytes between two events in the middle",
    run: (exchange) => {
      const noise = Uint8Array.from({ length: numberAt(exchange, 0, 512) }, () => exchange.random() * 256)
      return inTheMiddle(exchange, [noise, "\n\n"])
    }
  },
  "invalid-utf8": {
    faults: [24],
    does: "bytes that are not UTF-8 inside one event's content, in the middle",
    run: (exchange) => {
      const event = JSON.stringify(deltaChunk(replyOf(exchange), { content: "?" }))
      const [before = "", after = ""] = event.split("?")
      return inTheMiddle(exchange, [Buffer.concat([
        Buffer.from(`data: ${before}`),
        Buffer.from([0xff, 0xfe, 0xc3]),
        Buffer.from(`${after}\n\n`)
      ])])
    }
  },
  malformed: {
    faults: [23],
    does: "[1] events with broken JSON in the middle, the answer itself whole",
    run: (exchange) =>
      inTheMiddle(
        exchange,
        Array.from({ length: numberAt(exchange, 0, 1) }, () =>
          frame("{\"id\":\"chatcmpl-broken\",\"choices\":[{\"delta\":{\"content\":\" t"))
      )
  }
}

/** The answer with something between its tokens 30 and 31. */
const inTheMiddle = (exchange: Exchange, extra: ReadonlyArray<string | Uint8Array>): Promise<void> => {
  const { done, finish, role, tokens, usage } = partsOf(exchange)
  return sendBody(exchange, [role, ...tokens.slice(0, 30), ...extra, ...tokens.slice(30), finish, usage, done])
}

const withoutChoices = async (exchange: Exchange, choices: ReadonlyArray<unknown>): Promise<void> => {
  const facts = { id: "chatcmpl-empty", created: 1_795_000_000, model: exchange.attempt.scenario }
  if (!exchange.stream) return sendJson(exchange, 200, { ...facts, object: "chat.completion", choices })
  const event = frame(JSON.stringify({ ...facts, object: "chat.completion.chunk", choices: [] }))
  await sendBody(exchange, [event, event, partsOf(exchange).done])
}

const shapes: Scripts = {
  "malformed-json": {
    faults: [35],
    does: "a body that is not JSON; on a stream every event is broken",
    run: async (exchange) => {
      if (!exchange.stream) return sendWhole(exchange, 200, "{\"id\": chatcmpl", { "content-type": "application/json" })
      await sendBody(exchange, [
        ...Array.from({ length: 10 }, () => frame("{\"id\": chatcmpl")),
        partsOf(exchange).done
      ])
    }
  },
  "truncated-json": {
    faults: [35],
    does: "half the JSON text in a well-formed HTTP body; on a stream the last event is cut in half",
    run: async (exchange) => {
      const { role, tokens } = partsOf(exchange)
      const half = tokens.slice(0, 30)
      await openBody(exchange)
      await sendPieces(exchange, [role, ...half])
      if (exchange.stream) await sendPiece(exchange, tokens[30]?.slice(0, 40) ?? "")
      await endBody(exchange)
    }
  },
  "empty-choices": {
    faults: [36],
    does: "an answer with no choices and no usage",
    run: (exchange) => withoutChoices(exchange, [])
  },
  "empty-content": {
    faults: [36],
    does: "an answer that stops without a word",
    run: (exchange) => sendAnswer(exchange, { ...replyOf(exchange), tokens: [] })
  },
  "wrong-shape": {
    faults: [36],
    does: "valid JSON that is not a completion",
    run: (exchange) =>
      exchange.stream
        ? sendBody(exchange, [
          frame("{\"hello\":1}"),
          frame("[1,2]"),
          frame("null"),
          frame("7"),
          partsOf(exchange).done
        ])
        : sendJson(exchange, 200, { hello: 1 })
  }
}

export const framingScripts: Scripts = { ...framings, ...bytes, ...shapes }
