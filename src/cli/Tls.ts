/**
 * The door's own TLS: its certificate, judged before anything listens, and the server that shows it. Trap: such a server tells of a
 * connection when it is opened and again when it is secure.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { Server, ServerOptions } from "node:http"
import * as Https from "node:https"
import { createSecureContext } from "node:tls"
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
  yield* Effect.try({
    // To Node an empty text is none at all.
    try: () => createSecureContext({ cert: certificate.cert || " ", key: certificate.key || " ", minVersion }),
    // What OpenSSL says is about forms and names no content, but the files hold a secret: its code is enough.
    catch: (error) => {
      const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : ""
      return refused("", undefined, `the two files are no certificate with its key in PEM${code}`)
    }
  })
  return certificate
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
