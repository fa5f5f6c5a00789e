/**
 * The page of the operator as one document: markup, style and script from `assets/` in one answer, and a policy that lets the
 * browser run these and nothing else. Data it fetches itself from the monitoring routes and shows as text, never as markup.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import { readFileSync } from "node:fs"

/** What is answered to `GET /dashboard`. */
export interface Page {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

const read = (name: string): string => readFileSync(new URL(`./assets/${name}`, import.meta.url), "utf8")

/** As a policy names an inline element: by the digest of what stands between its tags. */
const digestOf = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (digest) => `'sha256-${Base64.encode(new Uint8Array(digest))}'`
  )

const policyOf = (style: string, script: string): string =>
  [
    "default-src 'none'",
    `script-src ${script}`,
    `style-src ${style}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; ")

/** Reads the assets and puts them together; once, at the start. */
export const page: Effect.Effect<Page> = Effect.gen(function*() {
  const style = read("page.css")
  const script = ["format.js", "charts.js", "page.js"].map(read).join("\n")
  // Replacements by function, for `$` in a text would mean something.
  const html = read("page.html")
    .replace("/* style */", () => style)
    .replace("/* script */", () => script)
  return {
    html,
    headers: {
      "content-security-policy": policyOf(yield* digestOf(style), yield* digestOf(script)),
      "cache-control": "no-store",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY"
    }
  }
})
