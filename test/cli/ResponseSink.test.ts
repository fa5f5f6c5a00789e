/** What a caller on a raw socket reads of an answer that is partly written through the sink. */
import { describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import { connect } from "node:net"
import { overResponse } from "../../src/cli/ResponseSink.ts"
import { listening } from "../wire/Listening.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const served = async (answer: (response: ServerResponse) => void, read: (url: URL) => Promise<string>) => {
  const { close, url } = await listening(createServer((_, response) => answer(response)))
  try {
    return await read(new URL(url))
  } finally {
    close()
  }
}

const rawly = (version: string) => async ({ hostname, port }: URL): Promise<string> => {
  const socket = connect(Number(port), hostname)
  let text = ""
  socket.on("data", (piece: Buffer) => {
    text += piece.toString()
  })
  socket.end(`GET / HTTP/${version}\r\nhost: x\r\nconnection: close\r\n\r\n`)
  await once(socket, "close")
  return text.slice(text.indexOf("\r\n\r\n") + 4)
}

const both = (response: ServerResponse): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write("first ")
  const sink = overResponse(response)
  sink.write([bytes("sæ"), bytes("a")])
  sink.write([])
  sink.write([bytes("x".repeat(17))])
  response.end("last")
}

describe("the sink over a response", () => {
  it("writes one chunk a time between those of Node, which ends the body", async () => {
    expect(await served(both, rawly("1.1"))).toBe(
      `6\r\nfirst \r\n4\r\nsæa\r\n11\r\n${"x".repeat(17)}\r\n4\r\nlast\r\n0\r\n\r\n`
    )
  })

  it("frames nothing for a caller of HTTP/1.0, whose body ends with the connection", async () => {
    expect(await served(both, rawly("1.0"))).toBe(`first sæa${"x".repeat(17)}last`)
  })

  it("leaves the head to Node where none was written", async () => {
    const answer = (response: ServerResponse) => {
      overResponse(response).write([bytes("a"), bytes("b")])
      response.end()
    }
    const read = async (url: URL) => (await fetch(url)).text()
    expect(await served(answer, read)).toBe("ab")
  })
})
