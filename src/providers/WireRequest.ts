/** How a request of any dialect goes to an endpoint: where, as whom, with which headers, and whether in full. */
import * as Redacted from "effect/Redacted"
import { type Reason, unsupported } from "../domain/GatewayError.ts"
import type { Lowered } from "./Dialect.ts"
import type { Call } from "./Provider.ts"
import type { TransportRequest } from "./Transport.ts"

/** Where a request goes and as whom. */
export interface Endpoint {
  readonly origin: string
  /** Up to where the dialect says more, if it does. */
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Headers that prove who asks, made of what is sent; absent = `headers` say it. */
  readonly sign?: ((path: string, body: string) => Readonly<Record<string, string>>) | undefined
}

export const isReason = (result: object): result is Reason => "_tag" in result

/** The request; where the caller would rather be refused than heard in part, a refusal. */
export const inFull = <Said extends Pick<Lowered, "dropped">>(
  { parameters }: Pick<Call<unknown>, "parameters">,
  lowered: Said | Reason
): Said | Reason => {
  if (parameters !== "reject" || isReason(lowered) || lowered.dropped === undefined) return lowered
  const [param] = lowered.dropped
  const message =
    `The model that would answer cannot be told ${param}, and its alias says that such a request is refused.`
  return unsupported(param, message)
}

export const requestTo = (
  endpoint: Endpoint,
  { wire }: Pick<Call<unknown>, "wire">,
  lowered: Lowered,
  stream: boolean
): TransportRequest => {
  const path = lowered.path === undefined ? endpoint.path : endpoint.path + lowered.path
  return {
    origin: endpoint.origin,
    path,
    headers: {
      ...endpoint.headers,
      accept: stream ? "text/event-stream" : "application/json",
      ...lowered.headers,
      ...endpoint.sign?.(path, lowered.body)
    },
    body: lowered.body,
    wire
  }
}

/** Where chat is, the rest is beside it. */
export const beside = (endpoint: Endpoint, path: string): Endpoint => ({
  ...endpoint,
  path: endpoint.path.replace(/\/chat\/completions(?=\?|$)/, path)
})

/** Headers of every request; coded answers are not read, so none is asked for. */
export const commonHeaders: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "accept-encoding": "identity",
  "user-agent": "breakwater"
}

export const lowerCased = (
  headers: Readonly<Record<string, string | Redacted.Redacted>> = {}
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      typeof value === "string" ? value : Redacted.value(value)
    ])
  )
