/**
 * The door's own TLS: its certificate, judged before anything listens, and the server that shows it. Trap: such a server tells of a
 * connection when it is opened and again when it is secure.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { createPrivateKey, X509Certificate } from "node:crypto"
import type { Server, ServerOptions } from "node:http"
import * as Https from "node:https"
import { createSecureContext } from "node:tls"
import type { Doubt } from "../config/Doubts.ts"
import { ConfigurationRefused } from "../config/Problem.ts"
import { type Loaded, unreadable } from "../config/Source.ts"

/** What is shown and what proves that it is ours, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Browsers that were here do not come without TLS for a year. */
const strictTransport = "max-age=31536000"

const minVersion = "TLSv1.2"

/** Why a key that stands in PEM cannot be used without asking somebody, or not with this certificate. */
const flawOf = ({ cert, key }: Certificate): readonly [path: string, message: string] | undefined =>
  /-BEGIN ENCRYPTED PRIVATE KEY-|^Proc-Type:.*ENCRYPTED/m.test(key)
    ? [
      ".key",
      "is encrypted with a passphrase, and nobody is here to type it; "
      + "write it without one (openssl pkey -in THIS -out PLAIN), readable by this user alone"
    ]
    : new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
    ? undefined
    : [".key", "is not the key of the certificate in server.tls.cert, whose first certificate has to be the door's own"]

/** The certificate of the configuration; undefined where it has none. Fails where it cannot be used. */
export const read = Effect.fnUntraced(function*({ settings, source }: Loaded) {
  const { tls } = settings.server
  if (tls === undefined) return undefined
  const files = yield* FileSystem.FileSystem
  const refused = (path: string, value: string | undefined, message: string) =>
    new ConfigurationRefused({ source, problems: [{ path: `server.tls${path}`, value, message }] })
  const textOf = (name: "cert" | "key") =>
    Effect.mapError(
      files.readFileString(tls[name]),
      (error) => refused(`.${name}`, tls[name], `cannot be read: ${unreadable(error)}`)
    )
  const certificate: Certificate = { cert: yield* textOf("cert"), key: yield* textOf("key") }
  const flaw = yield* Effect.try({
    try: () => {
      const flaw = flawOf(certificate)
      if (flaw === undefined) createSecureContext({ ...certificate, minVersion })
      return flaw
    },
    // What OpenSSL says is about forms and names no content, but the files hold a secret: its code is enough.
    catch: (error) => {
      const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : ""
      return refused("", undefined, `the two files are no certificate with its key in PEM${code}`)
    }
  })
  return flaw === undefined ? certificate : yield* refused(flaw[0], tls.key, flaw[1])
})

const dayMs = 86_400_000

/** A certificate that has ended or will before long: in two weeks, or for one that is short-lived in a fifth of its time. */
export const doubts = (certificate: Certificate): Effect.Effect<ReadonlyArray<Doubt>> =>
  Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const { validFromDate, validToDate } = new X509Certificate(certificate.cert)
    const [from, until] = [validFromDate.getTime(), validToDate.getTime()]
    const left = until - nowMs
    if (left > Math.min(14 * dayMs, (until - from) / 5)) return []
    const when = DateTime.formatIso(DateTime.makeUnsafe(until))
    const what = left <= 0 ? `has ended at ${when}: no caller will trust this door` : `ends at ${when}`
    return [{
      path: "server.tls.cert",
      why: `${what}; put another in its place and restart (with workers: SIGHUP)`
    }]
  })

/** A server of TLS 1.2 and up. A handshake has as long as headers; one that fails ends its connection without a word. */
export const createServer = (
  options: ServerOptions & { readonly headersTimeout: number },
  certificate: Certificate
): Server => {
  const handshakeTimeout = options.headersTimeout
  const server = Https.createServer({ ...options, ...certificate, minVersion, handshakeTimeout })
  // Before Node, which would leave it to whoever answers malformed requests, and no answer leaves before the handshake.
  server.prependListener("tlsClientError", (_, socket) => socket.destroy())
  server.on("request", (_, response) => response.setHeader("strict-transport-security", strictTransport))
  return server
}
