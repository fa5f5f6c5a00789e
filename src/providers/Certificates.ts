/**
 * An upstream's certificate that is not accepted: which failures of a connection are one, and the word to the operator, who alone
 * can mend it. Asking again does not help.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Node's names for what OpenSSL finds wrong with a chain, and its own for a name that does not match. */
const codes: ReadonlySet<string> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_CHAIN_TOO_LONG",
  "CERT_REJECTED",
  "CERT_REVOKED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
])

export const isOfCertificate = (code: string): boolean => codes.has(code)

/** An upstream is told of once in so many milliseconds. */
const againAfterMs = 60_000

/** Logs a warning, at most one a minute for each origin; their number is the configuration's. */
export const makeAlert = (): (origin: string, code: string) => Effect.Effect<void> => {
  const toldAtMs = new Map<string, number>()
  return (origin, code) =>
    Clock.clockWith((clock) => {
      const nowMs = clock.currentTimeMillisUnsafe()
      const lastMs = toldAtMs.get(origin)
      if (lastMs !== undefined && Math.abs(nowMs - lastMs) < againAfterMs) return Effect.void
      toldAtMs.set(origin, nowMs)
      return Effect.logWarning(`the certificate of ${origin} is not accepted: ${code}`).pipe(
        Effect.annotateLogs({
          "event.name": "breakwater.upstream.certificate",
          "server.address": origin,
          "error.type": code
        })
      )
    })
}
