/** What a connection that failed means for the flow, by the code of its error and by how far the request had come. */
import type { GatewayError } from "../domain/GatewayError.ts"
import {
  ConnectionReset,
  CredentialRejected,
  gatewayError,
  MalformedAnswer,
  StreamInterrupted,
  UpstreamTimedOut,
  UpstreamUnreachable
} from "../domain/GatewayError.ts"
import { isOfCertificate } from "./Certificates.ts"

export type Phase = "connecting" | "waiting" | "body"

export const codeOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return ""
  if ("code" in error && typeof error.code === "string") return error.code
  // undici's parser has a code for some of its errors only.
  return "name" in error && error.name === "HTTPParserError" ? "HPE_INVALID" : ""
}

export const isReset = (code: string): boolean => code === "ECONNRESET" || code === "EPIPE" || code === "UND_ERR_SOCKET"

export const failureOf = (code: string, phase: Phase): GatewayError => {
  const detail = code === "" ? "" : ` (${code})`
  if (phase === "body") {
    return gatewayError(new StreamInterrupted({ message: `The upstream's answer broke off${detail}.` }))
  }
  if (code.startsWith("HPE_") || code === "UND_ERR_HEADERS_OVERFLOW") {
    return gatewayError(new MalformedAnswer({ message: `The upstream's answer is not valid HTTP${detail}.` }))
  }
  if (code === "UND_ERR_INVALID_ARG") {
    return gatewayError(
      new CredentialRejected({
        message:
          "The request could not be sent: the provider's key, one of its headers or its address is not valid in HTTP."
      })
    )
  }
  if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT") {
    return gatewayError(new UpstreamTimedOut({ message: "Connecting to the upstream took too long." }))
  }
  if (code === "EAI_AGAIN") {
    return gatewayError(
      new ConnectionReset({ message: "The upstream's name could not be looked up just now (EAI_AGAIN)." })
    )
  }
  if (isOfCertificate(code)) {
    return gatewayError(new UpstreamUnreachable({ message: `The upstream's certificate is not accepted${detail}.` }))
  }
  if (code === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL") {
    return gatewayError(
      new UpstreamUnreachable({ message: "The upstream does not speak HTTP/1.1, and nothing else is spoken here." })
    )
  }
  if (phase === "waiting" || isReset(code)) {
    return gatewayError(new ConnectionReset({ message: `The upstream closed the connection${detail}.` }))
  }
  return gatewayError(new UpstreamUnreachable({ message: `The upstream could not be reached${detail}.` }))
}
