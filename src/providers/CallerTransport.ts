/**
 * The second way out, for URLs that callers wrote: one GET on a connection of its own to an address that was judged, and nothing
 * of ours in it. Shares no pool, header or secret with `Transport`. Trap: each redirect is a new URL from a stranger.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { isIP } from "node:net"
import type { Dispatcher } from "undici"
import { buildConnector, Client } from "undici"
import { Pieces } from "../validation/Pieces.ts"
import { isSafeUrl, type SafeUrl, UrlGuard, type UrlRefused } from "../validation/Url.ts"

export interface CallerTransportSettings {
  /** Milliseconds to a usable connection, TLS included; default 3000. */
  readonly connectTimeoutMs: number
  /** Milliseconds to the head of an answer, and between two reads of its body; default 5000. */
  readonly silenceMs: number
  /** Milliseconds for all of it, redirects and lookups included; default 10000. */
  readonly totalMs: number
  /** Redirects that are followed; default 3. */
  readonly redirects: number
  /** Fetches at once; the others wait. Default 8. */
  readonly concurrency: number
  /** Authorities in place of Node's own, as PEM. Default Node's own. */
  readonly ca?: string | undefined
  /** Opens the connections; default `pinned`. A test can record here what would be dialled. */
  readonly connector: typeof pinned
}

export interface CallerRequest {
  /** Content types that an answer may have. */
  readonly mediaTypes: ReadonlySet<string>
  /** The type that the first bytes show; what it does not know, or what `mediaTypes` has not, is given up at once. */
  readonly sniff: (head: Uint8Array) => string | undefined
  /** Bytes of an answer. */
  readonly maxBytes: number
  /** Sent to the origin of the URL and left out for good once a redirect leaves it. Default none. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** A whole answer; `mediaType` is what its bytes show. */
export interface CallerAnswer {
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** Why there is no answer. `detail` is for our own log: told to a caller it would map the network. */
export class CallerFault extends Data.TaggedClass("CallerFault")<{
  readonly why: "broken" | "coding" | "large" | "redirects" | "slow" | "status" | "type"
  readonly detail?: string | undefined
}> {}

/** Bytes that every signature is shorter than. */
const headBytes = 32

const redirectStatus: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** The address a socket is connected to, in the one spelling that judged addresses have. */
const plain = (address: string): string => address.startsWith("::ffff:") ? address.slice(7) : address

/**
 * Connects to the judged addresses and no other: the name is not looked up again, and what is connected is compared before a byte
 * is sent. SNI and certificate stay the name's.
 */
export const pinned = (
  url: SafeUrl,
  { ca, connectTimeoutMs }: Pick<CallerTransportSettings, "ca" | "connectTimeoutMs">
): buildConnector.connector => {
  const answers = url.addresses.map((address) => ({ address, family: isIP(address) }))
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: false,
    maxCachedSessions: 0,
    autoSelectFamily: true,
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    lookup: (_, options, answer) => {
      const [first] = answers
      if (options.all === true || first === undefined) answer(null, answers)
      else answer(null, first.address, first.family)
    }
  })
  // An address is dialled as it was judged; sockets do not look one up.
  const hostname = isIP(url.hostname) === 0 ? url.hostname : url.addresses[0] ?? ""
  const servername = isIP(url.hostname) === 0 ? url.hostname : ""
  return (options, callback) =>
    connect({ ...options, hostname, servername }, (...[error, socket]) => {
      // Its type says that a socket is there where no error is; what comes with an error is undefined, not null.
      if (error !== null || !socket) return callback(error ?? new Error("no connection"), null)
      if (url.addresses.includes(plain(socket.remoteAddress ?? ""))) return callback(null, socket)
      socket.destroy()
      callback(new Error("connected to an address that was not judged"), null)
    })
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown"

const isTimeout = (code: string): boolean => /TIMEOUT|TIMEDOUT/.test(code)

const broken = (error: unknown): CallerFault => {
  const detail = codeOf(error)
  return new CallerFault({ why: isTimeout(detail) ? "slow" : "broken", detail })
}

const first = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0]

/** `image/jpg` is a common slip. */
const mediaTypeOf = (contentType: string | undefined): string =>
  (contentType ?? "").split(";")[0]?.trim().toLowerCase().replace(/^image\/jpg$/, "image/jpeg") ?? ""

/** Where an answer leads, or why its body is not read. */
const judgeHead = (
  { headers, statusCode }: Dispatcher.ResponseData,
  { maxBytes, mediaTypes }: CallerRequest
): { readonly location: string } | CallerFault | undefined => {
  const location = first(headers["location"])
  if (redirectStatus.has(statusCode) && location !== undefined) return { location }
  if (statusCode !== 200) return new CallerFault({ why: "status", detail: String(statusCode) })
  const coding = first(headers["content-encoding"])
  if (coding !== undefined && coding !== "identity") return new CallerFault({ why: "coding" })
  const mediaType = mediaTypeOf(first(headers["content-type"]))
  if (!mediaTypes.has(mediaType)) return new CallerFault({ why: "type", detail: mediaType.slice(0, 80) })
  const length = Number(first(headers["content-length"]) ?? 0)
  return length > maxBytes ? new CallerFault({ why: "large", detail: String(length) }) : undefined
}

const readBody = (body: Dispatcher.ResponseData["body"], request: CallerRequest) =>
  Effect.callback<CallerAnswer, CallerFault>((resume) => {
    const pieces = new Pieces()
    let mediaType: string | undefined
    const fail = (fault: CallerFault): void => {
      resume(Effect.fail(fault))
      body.destroy()
    }
    const isKnown = (): boolean => {
      mediaType ??= request.sniff(pieces.whole)
      return mediaType !== undefined && request.mediaTypes.has(mediaType)
    }
    body.on("error", (error) => fail(broken(error)))
    body.on("data", (chunk: Uint8Array) => {
      const wasHead = pieces.length < headBytes
      pieces.add(chunk)
      if (pieces.length > request.maxBytes) fail(new CallerFault({ why: "large" }))
      else if (wasHead && pieces.length >= headBytes && !isKnown()) {
        fail(new CallerFault({ why: "type", detail: "bytes" }))
      }
    })
    body.on("end", () => {
      if (!isKnown()) return fail(new CallerFault({ why: "type", detail: "bytes" }))
      resume(Effect.succeed({ mediaType: mediaType ?? "", bytes: pieces.whole }))
    })
    return Effect.sync(() => body.destroy())
  })

/** One hop on a connection that is closed afterwards. */
const hop = (url: SafeUrl, request: CallerRequest, settings: CallerTransportSettings) => {
  // The type says so already; this is for callers without types.
  if (!isSafeUrl(url)) return Effect.die("a URL that was not judged")
  return Effect.acquireUseRelease(
    Effect.sync(() =>
      new Client(url.origin, {
        connect: settings.connector(url, settings),
        allowH2: false,
        pipelining: 0,
        maxHeaderSize: 16_384,
        headersTimeout: settings.silenceMs,
        bodyTimeout: settings.silenceMs
      })
    ),
    (client) =>
      Effect.gen(function*() {
        const response = yield* Effect.tryPromise({
          try: (signal) =>
            client.request({
              method: "GET",
              path: url.path,
              headers: {
                ...request.headers,
                "user-agent": "breakwater",
                accept: [...request.mediaTypes].join(", "),
                "accept-encoding": "identity"
              },
              signal
            }),
          catch: broken
        })
        // Destroying a body that is not read emits an error that nobody would hear.
        response.body.on("error", () => undefined)
        const head = judgeHead(response, request)
        return head === undefined
          ? yield* readBody(response.body, request)
          : "location" in head
          ? head
          : yield* Effect.fail(head)
      }),
    (client) => Effect.promise(() => client.destroy())
  )
}

/**
 * Fails with `UrlRefused` for the URL or one that it leads to, else with `CallerFault`. Whatever happens is over within `totalMs`,
 * and interruption closes the socket.
 */
export class CallerTransport extends Context.Service<CallerTransport, {
  readonly get: (url: string, request: CallerRequest) => Effect.Effect<CallerAnswer, CallerFault | UrlRefused>
}>()("breakwater/providers/CallerTransport") {}

const make = Effect.fnUntraced(function*(settings: CallerTransportSettings) {
  const guard = yield* UrlGuard
  const permits = yield* Semaphore.make(settings.concurrency)
  const follow = (
    url: SafeUrl,
    request: CallerRequest,
    left: number
  ): Effect.Effect<CallerAnswer, CallerFault | UrlRefused> =>
    Effect.flatMap(hop(url, request, settings), (answer) => {
      if ("bytes" in answer) return Effect.succeed(answer)
      if (left === 0) return Effect.fail(new CallerFault({ why: "redirects" }))
      return Effect.flatMap(guard.follow(url, answer.location), (next) =>
        follow(next, next.origin === url.origin ? request : { ...request, headers: undefined }, left - 1))
    })
  return CallerTransport.of({
    get: (text, request) =>
      Effect.flatMap(guard.judge(text), (url) => follow(url, request, settings.redirects)).pipe(
        permits.withPermits(1),
        Effect.timeoutOrElse({
          duration: settings.totalMs,
          orElse: () => Effect.fail(new CallerFault({ why: "slow", detail: "total" }))
        })
      )
  })
})

/** @param overrides changes to the defaults that `CallerTransportSettings` names */
export const layer = (
  overrides: Partial<CallerTransportSettings> = {}
): Layer.Layer<CallerTransport, never, UrlGuard> =>
  Layer.effect(
    CallerTransport,
    make({
      connectTimeoutMs: 3000,
      silenceMs: 5000,
      totalMs: 10_000,
      redirects: 3,
      concurrency: 8,
      connector: pinned,
      ...overrides
    })
  )
