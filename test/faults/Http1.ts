/**
 * HTTP/1.1 requests read by hand from a raw socket, so that nothing between the socket and a scenario can repair a fault.
 * Requests come out one at a time and in order, pipelined ones included.
 */

/** One request as it came over the wire; header names are lower case, repeated headers are joined by a comma. */
export interface HttpRequest {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Buffer
  /** False when the client asked for `Connection: close` or spoke HTTP/1.0 without asking for keep-alive. */
  readonly keepAlive: boolean
}

type Head = Omit<HttpRequest, "body">

type State =
  | { readonly tag: "head" }
  | { readonly tag: "fixed"; readonly head: Head; readonly left: number }
  | { readonly tag: "size"; readonly head: Head }
  | { readonly tag: "data"; readonly head: Head; readonly left: number }
  | { readonly tag: "trailer"; readonly head: Head }

const headOf = (text: string): Head => {
  const [requestLine = "", ...lines] = text.split("\r\n")
  const [method = "", path = "", version = ""] = requestLine.split(" ")
  if (!version.startsWith("HTTP/1.")) throw new Error(`not an HTTP/1 request line: ${requestLine.slice(0, 80)}`)
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(":")
    if (colon <= 0) throw new Error(`not a header line: ${line.slice(0, 80)}`)
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  const connection = headers["connection"]?.toLowerCase() ?? ""
  const keepAlive = version === "HTTP/1.0" ? connection.includes("keep-alive") : !connection.includes("close")
  return { method, path, headers, keepAlive }
}

const afterHead = (head: Head): State => {
  if (head.headers["transfer-encoding"]?.toLowerCase().includes("chunked") === true) return { tag: "size", head }
  const length = Number(head.headers["content-length"] ?? "0")
  if (!Number.isSafeInteger(length) || length < 0) throw new Error("bad content-length")
  return { tag: "fixed", head, left: length }
}

/**
 * A reader for one connection: feed it bytes, it calls `onRequest` for each whole request and `onContinue` when a client
 * waits for `100 Continue`. Throws on bytes that are not HTTP/1.
 */
export const makeReader = (onRequest: (request: HttpRequest) => void, onContinue: () => void) => {
  let buffer: Buffer = Buffer.alloc(0)
  let body: Array<Buffer> = []
  let state: State = { tag: "head" }

  const takeUntil = (mark: string): string | undefined => {
    const at = buffer.indexOf(mark)
    if (at < 0) return undefined
    const text = buffer.toString("latin1", 0, at)
    buffer = buffer.subarray(at + mark.length)
    return text
  }
  const takeBody = (left: number): number => {
    const part = buffer.subarray(0, left)
    buffer = buffer.subarray(part.length)
    if (part.length > 0) body.push(part)
    return left - part.length
  }
  const finish = (head: Head): State => {
    onRequest({ ...head, body: Buffer.concat(body) })
    body = []
    return { tag: "head" }
  }

  /** The state after one step, or undefined when more bytes are needed. */
  const step = (now: State): State | undefined => {
    if (now.tag === "head") {
      const text = takeUntil("\r\n\r\n")
      if (text === undefined) return undefined
      const head = headOf(text.replace(/^(\r\n)+/, ""))
      if (head.headers["expect"]?.toLowerCase() === "100-continue") onContinue()
      return afterHead(head)
    }
    if (now.tag === "fixed") {
      const left = takeBody(now.left)
      if (left === 0) return finish(now.head)
      state = { tag: "fixed", head: now.head, left }
      return undefined
    }
    if (now.tag === "size") {
      const line = takeUntil("\r\n")
      if (line === undefined) return undefined
      const size = Number.parseInt(line, 16)
      if (Number.isNaN(size)) throw new Error("bad chunk size")
      return size === 0 ? { tag: "trailer", head: now.head } : { tag: "data", head: now.head, left: size + 2 }
    }
    if (now.tag === "data") {
      if (buffer.length < now.left) return undefined
      body.push(buffer.subarray(0, now.left - 2))
      buffer = buffer.subarray(now.left)
      return { tag: "size", head: now.head }
    }
    const line = takeUntil("\r\n")
    if (line === undefined) return undefined
    return line === "" ? finish(now.head) : now
  }

  return (bytes: Buffer): void => {
    buffer = buffer.length === 0 ? bytes : Buffer.concat([buffer, bytes])
    for (let next = step(state); next !== undefined; next = step(state)) state = next
  }
}
