/**
 * Answers to what Node's HTTP parser refuses before there is a request to route: the same envelope and request id as every other
 * error, and the connection closed. Trap: the socket may be gone, or in the middle of another answer.
 */
import type * as Fiber from "effect/Fiber"
import { type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from "node:http"
import { requestId } from "../observability/Correlation.ts"
import { securityHeaders } from "../server/SecurityHeaders.ts"
import { note } from "./Refusal.ts"

/** Of a connection what is used here. */
interface Wire {
  readonly destroyed: boolean
  readonly writable: boolean
  readonly destroy: () => unknown
  readonly end: (text: string, done: () => void) => unknown
  readonly on: (event: "error", heard: () => void) => unknown
}

export interface Refusal {
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
  ...securityHeaders,
  "content-type": "application/json",
  "content-length": String(Buffer.byteLength(body)),
  "x-request-id": requestId,
  "x-should-retry": "false",
  ...(refusal.allow === undefined ? {} : { allow: refusal.allow }),
  connection: "close"
})

const bodyOf = ({ code, message }: Refusal): string =>
  JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } })

/** The answer that is due on this connection: its request's head was good. Node's own handler asks the same way. */
const answerOn = (socket: Wire): ServerResponse | undefined => {
  const current: unknown = Reflect.get(socket, "_httpMessage")
  return current instanceof ServerResponse ? current : undefined
}

/** False when it is too late to say anything: where a byte of another answer has left, a second head would only garble it. */
const refuse = (socket: Wire, refusal: Refusal, requestId: string): boolean => {
  if (socket.destroyed || !socket.writable || answerOn(socket)?.headersSent === true) {
    socket.destroy()
    return false
  }
  const body = bodyOf(refusal)
  const head = Object.entries(headersOf(refusal, requestId, body)).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.on("error", () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${head.join("")}\r\n${body}`,
    () => socket.destroy()
  )
  return true
}

/** Every refusal that is given here, for the page of errors. */
export const parserRefusals: ReadonlyArray<Refusal> = [malformed, ...Object.values(refusals), unmet, noProxy]

/** Takes these answers over from Node, and writes the line and the count of each. `fiber` is the one that made the server. */
export const answerParserFaults = (server: Server, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const idOf = (request: IncomingMessage | undefined): string => {
    const header = request?.headers["x-request-id"]
    return requestId(typeof header === "string" ? header : undefined, fiber)
  }
  const noteRefusal = ({ code, status }: Refusal, requestId: string, method = "_OTHER"): void =>
    note({ requestId, method, route: "_other", status, error: code }, fiber)
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const refusal = refusals[error.code ?? ""] ?? malformed
    const request = answerOn(socket)?.req
    const id = idOf(request)
    if (refuse(socket, refusal, id)) noteRefusal(refusal, id, request?.method)
  })
  server.on("connect", (request, socket) => {
    const id = idOf(request)
    if (refuse(socket, noProxy, id)) noteRefusal(noProxy, id, request.method)
  })
  // Nothing is upgraded here. Without a listener Node takes such a request for the plain one that it also is, body and all, as is
  // meant by clients that ask for HTTP/2 by the way; with one its body is lost.
  server.on("newListener", (event: string, listener: () => void) => {
    if (event === "upgrade") queueMicrotask(() => server.off(event, listener))
  })
  server.on("checkExpectation", (request, response) => {
    const id = idOf(request)
    const body = bodyOf(unmet)
    response.writeHead(unmet.status, headersOf(unmet, id, body)).end(body)
    noteRefusal(unmet, id, request.method)
  })
}
