/** `GET /docs`: the reference, with a policy that lets the browser run its scripts and nothing else. */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type { unhandled } from "effect/Types"
import { Api } from "../api/Api.ts"

const digestOf = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (digest) => `'sha256-${Base64.encode(new Uint8Array(digest))}'`
  )

/** What stands between the tags of a page's own scripts. */
const scriptsIn = (html: string): ReadonlyArray<string> =>
  Array.from(html.matchAll(/<script>([^]*?)<\/script>/g), ([, script = ""]) => script)

const policyOf = (html: string): Effect.Effect<string> =>
  Effect.map(
    Effect.forEach(scriptsIn(html), digestOf),
    (scripts) =>
      [
        "default-src 'none'",
        `script-src ${scripts.join(" ")}`,
        // The reference makes its styles while it runs.
        "style-src 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'"
      ].join("; ")
  )

type Response = HttpServerResponse.HttpServerResponse

const decoder = new TextDecoder()

const withPolicy = (response: Response): Effect.Effect<Response> => {
  const { body } = response
  const html = body._tag === "Uint8Array" ? decoder.decode(body.body) : ""
  return Effect.map(policyOf(html), (policy) =>
    HttpServerResponse.setHeaders(response, {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy,
      "cross-origin-opener-policy": "same-origin",
      "x-frame-options": "DENY"
    }))
}

/** The page is the same every time, so its policy is made once. */
const policed = Effect.sync(() => {
  let known: Response | undefined
  let made: Response | undefined
  return (effect: Effect.Effect<Response, unhandled>): Effect.Effect<Response, unhandled> =>
    Effect.flatMap(effect, (response) => {
      if (response === known && made !== undefined) return Effect.succeed(made)
      return Effect.map(withPolicy(response), (page) => {
        known = response
        return made = page
      })
    })
})

/** The route on the router. */
export const layer = HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } }).pipe(
  Layer.provide(HttpRouter.middleware(policed).layer)
)
