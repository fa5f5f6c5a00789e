/**
 * The provider of the load bench, a process of its own: a fixed completion, or a fixed stream when the body asks for one.
 * `upstream.ts PORT [SERVICE_MS] [CAPACITY]`: a whole answer takes so long, and beyond so many at once it says 429.
 */
import { createServer, type Socket } from "node:net"
import { messageReader } from "./Http1.ts"
import { messageEvents, wholeMessage } from "./Messages.ts"
import { completion, paceMs, streamEvents } from "./Payload.ts"

const whole = (body: string): Buffer =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
const json = whole(completion)
const messageJson = whole(wholeMessage)
const streamHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-request-id: req_bench\r\n" +
    "transfer-encoding: chunked\r\n\r\n"
)
const streamEnd = Buffer.from("0\r\n\r\n")
const chunked = (events: ReadonlyArray<string>): ReadonlyArray<Buffer> =>
  events.map((event) => Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`))
const plainStream = chunked(streamEvents(false))
const usageStream = chunked(streamEvents(true))
const messageStream = chunked(messageEvents)

const pace = (socket: Socket, frames: ReadonlyArray<Buffer>): void => {
  let next = 0
  const timer = setInterval(() => {
    const frame = frames[next++]
    if (frame !== undefined && !socket.destroyed) return void socket.write(frame)
    clearInterval(timer)
    if (!socket.destroyed) socket.write(streamEnd)
  }, paceMs)
}

const serviceMs = Number(process.argv[3] ?? 0)
const capacity = Number(process.argv[4] ?? Infinity)
let busy = 0

const tooMany = Buffer.from(
  "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: 57\r\n\r\n" +
    "{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"busy\"}}"
)

const serve = (socket: Socket): void => {
  if (serviceMs === 0) return void socket.write(json)
  if (busy >= capacity) return void socket.write(tooMany)
  busy++
  setTimeout(() => {
    busy--
    if (!socket.destroyed) socket.write(json)
  }, serviceMs)
}

/** What the pipe carries from those who ask in OpenAI's words, and what those get who ask in Anthropic's. */
const framesFor = (body: string, isMessages: boolean): ReadonlyArray<Buffer> =>
  isMessages || body.includes("\"paced-anthropic\"")
    ? messageStream
    : /"include_usage" *: *true/.test(body)
    ? usageStream
    : plainStream

const answer = (socket: Socket, body: string, isMessages: boolean): void => {
  if (!/"stream" *: *true/.test(body)) return isMessages ? void socket.write(messageJson) : serve(socket)
  const frames = framesFor(body, isMessages)
  socket.write(streamHead)
  if (/"user(?:_id)?" *: *"paced/.test(body)) return pace(socket, frames)
  for (const frame of frames) socket.write(frame)
  socket.write(streamEnd)
}

const server = createServer({ noDelay: true }, (socket) => {
  let body = ""
  let isMessages = false
  socket.on(
    "data",
    messageReader({
      head: (head) => {
        body = ""
        isMessages = head.startsWith("POST /v1/messages")
      },
      body: (slice) => {
        body += slice.toString("latin1")
      },
      end: () => answer(socket, body, isMessages)
    })
  )
  socket.on("error", () => socket.destroy())
})
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.send?.("ready"))
process.on("disconnect", () => process.exit())
process.on("SIGTERM", () => process.exit())
