/**
 * Answers to what Node's HTTP parser refuses before there is a request to route: the same envelope and request id as every other
 * error, and the connection closed. Trap: the socket may be gone, or in the middle of another answer.
 */
import { type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from "node:http"

/** Of a connection what is used here. */
interface Wire {
  readonly destroyed: boolean
  readonly writable: boolean
  readonly destroy: () => unknown
  readonly end: (text: string, done: () => void) => unknown
  readonly on: (event: "error", heard: () => void) => unknown
}

interface Refusal {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly allow?: string
}

const refusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: "headers_too_large",
    message: "The request's headers are larger than 16 kB."
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: "request_too_large",
    message: "The extensions of the request's chunks are too large."
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: "request_timeout",
    message: "The request did not arrive whole in time."
  }
}

const malformed: Refusal = { status: 400, code: "malformed_request", message: "The request is not valid HTTP/1.1." }

const unmet: Refusal = {
  status: 417,
  code: "expectation_failed",
  message: "The only expectation that can be met is 100-continue."
}

const noProxy: Refusal = {
  status: 405,
  code: "method_not_allowed",
  message: "CONNECT is not a method of this server, which is no proxy.",
  allow: "GET, HEAD, POST"
}

const headersOf = (refusal: Refusal, requestId: string, body: string): Readonly<Record<string, string>> => ({
  "content-type": "application/json",
  "content-length": String(Buffer.byteLength(body)),
  "x-request-id": requestId,
  "x-should-retry": "false",
  ...(refusal.allow === undefined ? {} : { allow: refusal.allow }),
  connection: "close"
})

const bodyOf = ({ code, message }: Refusal): string =>
  JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } })

/** True when a byte of another answer has left: a second head would only garble it. Node's own handler asks the same way. */
const isAnswering = (socket: Wire): boolean => {
  const current: unknown = Reflect.get(socket, "_httpMessage")
  return current instanceof ServerResponse && current.headersSent
}

const refuse = (socket: Wire, refusal: Refusal, requestId: string): void => {
  if (socket.destroyed || !socket.writable || isAnswering(socket)) {
    socket.destroy()
    return
  }
  const body = bodyOf(refusal)
  const head = Object.entries(headersOf(refusal, requestId, body)).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.on("error", () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${head.join("")}\r\n${body}`,
    () => socket.destroy()
  )
}

const sent = (request: IncomingMessage): string | undefined => {
  const header = request.headers["x-request-id"]
  return typeof header === "string" ? header : undefined
}

/** Takes these answers over from Node; `requestId` makes the id out of the caller's header, if there was one to read. */
export const answerParserFaults = (server: Server, requestId: (header: string | undefined) => string): void => {
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    refuse(socket, refusals[error.code ?? ""] ?? malformed, requestId(undefined))
  })
  server.on("connect", (request, socket) => refuse(socket, noProxy, requestId(sent(request))))
  server.on("checkExpectation", (request, response) => {
    const body = bodyOf(unmet)
    response.writeHead(unmet.status, headersOf(unmet, requestId(sent(request)), body)).end(body)
  })
}
