/** An OTLP/HTTP receiver on loopback that keeps the spans it is sent, as JSON has them. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export type Value = string | number | boolean | ReadonlyArray<Value>

export interface Event {
  readonly name: string
  readonly timeUnixNano: string
  readonly attributes: Readonly<Record<string, Value>>
}

/** A span with its attributes as plain values; `types` says how each was written. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number
  readonly statusMessage: string | undefined
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Readonly<Record<string, Value>>
  readonly types: Readonly<Record<string, string>>
  readonly events: ReadonlyArray<Event>
}

// OTLP JSON is what the tests are about; every field that is read here is held against a rule.
type Json = Readonly<Record<string, unknown>>
const list = (value: unknown): ReadonlyArray<Json> => Array.isArray(value) ? value as ReadonlyArray<Json> : []

const typeOf = (value: Json): string => {
  const [type = "none"] = Object.keys(value)
  if (type !== "arrayValue") return type.replace("Value", "")
  const [first] = list((value["arrayValue"] as Json)["values"])
  return first === undefined ? "array" : `${typeOf(first)}[]`
}

const plain = (value: Json): Value => {
  const [[type, inner] = ["", ""]] = Object.entries(value)
  if (type === "arrayValue") return list((inner as Json)["values"]).map(plain)
  return type === "intValue" || type === "doubleValue" ? Number(inner) : inner as Value
}

const attributesOf = (written: unknown): Readonly<Record<string, Value>> =>
  Object.fromEntries(list(written).map(({ key, value }) => [String(key), plain(value as Json)]))

const spanOf = (span: Json): Span => {
  const status = Object(span["status"]) as Json
  const parent = span["parentSpanId"]
  return {
    traceId: String(span["traceId"]),
    spanId: String(span["spanId"]),
    parentSpanId: typeof parent === "string" && parent !== "" ? parent : undefined,
    name: String(span["name"]),
    kind: Number(span["kind"]),
    status: Number(status["code"] ?? 0),
    statusMessage: typeof status["message"] === "string" && status["message"] !== "" ? status["message"] : undefined,
    start: BigInt(String(span["startTimeUnixNano"])),
    end: BigInt(String(span["endTimeUnixNano"])),
    attributes: attributesOf(span["attributes"]),
    types: Object.fromEntries(list(span["attributes"]).map(({ key, value }) => [String(key), typeOf(value as Json)])),
    events: list(span["events"]).map((event) => ({
      name: String(event["name"]),
      timeUnixNano: String(event["timeUnixNano"]),
      attributes: attributesOf(event["attributes"])
    }))
  }
}

/** The spans of an export. */
export const spansIn = (text: string): ReadonlyArray<Span> =>
  list((JSON.parse(text) as Json)["resourceSpans"]).flatMap((resource) =>
    list(resource["scopeSpans"]).flatMap((scope) => list(scope["spans"]).map(spanOf))
  )

export interface Sink {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly spans: Array<Span>
  /** Every body, as it came. */
  readonly bodies: Array<
    { readonly path: string; readonly type: string; readonly encoding: string; readonly bytes: Buffer }
  >
  /** What it is asked with, as names and values. */
  readonly headers: Array<Readonly<Record<string, unknown>>>
  /** Status of the answers; default 200. */
  status: number
  /** Resolves once the spans are as wanted; rejects after `limitMs`, default 5000. */
  readonly until: (wanted: (spans: ReadonlyArray<Span>) => boolean, limitMs?: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** Starts one. */
export const startSink = async (): Promise<Sink> => {
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    const pieces: Array<Buffer> = []
    request.on("data", (piece: Buffer) => pieces.push(piece)).on("end", () => {
      const bytes = Buffer.concat(pieces)
      const type = String(request.headers["content-type"])
      sink.headers.push(request.headers)
      sink.bodies.push({
        path: request.url ?? "",
        type,
        encoding: String(request.headers["content-encoding"] ?? ""),
        bytes
      })
      const isPlain = type.includes("json") && request.headers["content-encoding"] === undefined
      if (sink.status < 300 && isPlain) sink.spans.push(...spansIn(bytes.toString("utf8")))
      response.writeHead(sink.status, { "content-type": "application/json" }).end("{}")
      for (const look of waiting) look()
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const sink: Sink = {
    // A server that listens on a TCP port has such an address.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    bodies: [],
    headers: [],
    status: 200,
    until: (wanted, limitMs = 5000) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          clearTimeout(timer)
          waiting.delete(look)
          settle()
        }
        const look = () => {
          if (wanted(sink.spans)) end(resolve)
        }
        const timer = setTimeout(
          () => end(() => reject(new Error(`after ${limitMs} ms: ${sink.spans.map(({ name }) => name).join(", ")}`))),
          limitMs
        )
        waiting.add(look)
        look()
      }),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
  return sink
}
