/** What is read of an answer of any dialect before its body is understood: whose it is, and what refused it. */
import { type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import { type ErrorFamily, toReason } from "./ProviderError.ts"
import { headerOf } from "./RetryHint.ts"
import type { TransportResponse } from "./Transport.ts"

type Head = Pick<TransportResponse, "status" | "headers">

/** The upstream's own id of the request, cut to 128 characters, because it is kept in records. */
export const requestIdOf = ({ headers }: Pick<Head, "headers">): string | undefined =>
  (headerOf(headers, "x-request-id") ?? headerOf(headers, "request-id") ??
    headerOf(headers, "x-amzn-requestid") ?? headerOf(headers, "apim-request-id"))?.slice(0, 128)

export const isGood = ({ status }: Pick<Head, "status">): boolean => status >= 200 && status < 300

/** Whether it is one JSON value, and not a stream. */
export const isJson = ({ headers }: Pick<Head, "headers">): boolean =>
  /^application\/json\b/i.test(headerOf(headers, "content-type") ?? "")

const parseBody = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Why the request was refused, in whoever's words it is said; `nowMs` is since 1970, for dates in Retry-After. */
export const refusalOf = (family: ErrorFamily, response: Head, text: string, nowMs: number): GatewayError =>
  gatewayError(toReason(family, { status: response.status, headers: response.headers, body: parseBody(text), nowMs }))
