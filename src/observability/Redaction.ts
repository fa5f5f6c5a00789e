/**
 * What must not be read by anybody: names of headers and query parameters that carry secrets, and a scrubber for text that others
 * wrote, by what secrets look like and by those that are configured here. Secrets themselves are `Redacted` up to the line that
 * sends them; this is the second net. And what may be told of words that a caller or an upstream made up, for every sink alike.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** Headers whose values are never shown. */
const headerNames: ReadonlyArray<string | RegExp> = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "api-key",
  /^x-.*(?:key|token|secret).*$/i,
  "x-goog-api-key",
  "x-amz-security-token",
  "openai-organization"
]

/** Parameters of a query whose values are never shown. */
const queryNames: ReadonlyArray<string | RegExp> = [
  "key",
  "api_key",
  "api-key",
  "apikey",
  "access_token",
  "token",
  "sig",
  "signature",
  /^x-amz-.+$/i,
  "AWSAccessKeyId",
  "X-Goog-Signature"
]

/** Whether the value of this header is a secret. */
export const isSecretHeader = (name: string): boolean =>
  headerNames.some((secret) => typeof secret === "string" ? secret === name.toLowerCase() : secret.test(name))

/** Keys, tokens and account ids by their looks; credentials in URLs; values of the queries above. */
const looks = [
  /\b(?:sk|pk|rk|gsk|xai|bw|gw|hf|r8|pplx|ghp|key|tok|org|proj|user|acct|AIza)[-_][\w*-]{4,}/gi,
  /\bAIza[\w-]{20,}|\bAKIA[A-Z0-9]{12,}/g,
  /\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g,
  /\bbearer\s+\S+|\bbasic\s+[\w+/=]{8,}/gi,
  /\b[\w+/-]{32,}={0,2}/g
]
// Bounded: without an end of its own the name of a scheme would be looked for from every dot of a long text to its end.
const userInfo = /(\b[a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/"'@]+@/gi
/** A secret in the query of a URL; the first group is all before its value. */
export const inQuery =
  /([?&](?:key|api[_-]?key|access_token|token|sig|signature|awsaccesskeyid|x-(?:amz|goog)-[a-z-]+)=)[^&\s"'#]+/gi

/** What stands in place of a secret. */
const mask = "***"

/** A configured text shorter than this may be a word of any sentence. */
const shortest = 8

/** Names of models as they are told; the same few come all the time. */
const models = new Map<string, string>()
const mostModels = 1000

/** Exact texts that must not be seen. */
class Secrets {
  readonly #texts = new Set<string>()
  add(secret: string): void {
    if (secret.length < shortest) return
    this.#texts.add(secret)
    models.clear()
  }
  remove(text: string): string {
    let clean = text
    for (const secret of this.#texts) if (clean.includes(secret)) clean = clean.replaceAll(secret, mask)
    return clean
  }
}

// A process has one: what one part of it must keep secret, no other part may tell.
const configured = new Secrets()

/** Without anything that is, or looks like, a secret. For text of failures; too slow for every line of a busy log. */
export const scrub = (text: string): string => {
  let clean = configured.remove(text).replaceAll(userInfo, `$1${mask}@`).replaceAll(inQuery, `$1${mask}`)
  for (const look of looks) clean = clean.replaceAll(look, mask)
  return clean
}

/** Keys by the looks that nothing else has, for lines of our own: ids and hashes stay readable. */
export const scrubKeys = (text: string): string =>
  configured.remove(text)
    .replaceAll(userInfo, `$1${mask}@`)
    .replaceAll(inQuery, `$1${mask}`)
    .replaceAll(/\b(?:sk|gsk|xai|bw|gw|ghp)[-_][\w*-]{12,}|\bAIza[\w-]{20,}|\bAKIA[A-Z0-9]{12,}/g, mask)
    .replaceAll(/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g, mask)
    .replaceAll(/\bbearer\s+[^\s"',;\\]{6,}/gi, mask)

/** A word that others wrote, such as why an answer ended; what is none is `other`. */
export const word = (said: string): string => /^\w{1,40}$/.test(said) ? said : "other"

/** An id that an upstream gave; undefined where it is none. */
export const idOf = (said: string | undefined): string | undefined =>
  said !== undefined && /^[\w.:=+/-]{1,256}$/.test(said) ? configured.remove(said) : undefined

/** The name of a model that a caller or an upstream wrote, cut to 256 characters; what no model is called is `other`. */
export const modelName = (said: string): string => {
  const name = said.length > 256 ? said.slice(0, 256) : said
  const known = models.get(name)
  if (known !== undefined) return known
  const told = /^[\w.:=+@/*#~,-]+$/.test(name) ? scrubKeys(name) : "other"
  if (models.size >= mostModels) models.clear()
  models.set(name, told)
  return told
}

/** Keeps these out of whatever is scrubbed from now on, and names what `effect/http` must not show of headers and queries. */
export const layer = (secrets: Iterable<Redacted.Redacted>): Layer.Layer<never> =>
  Layer.mergeAll(
    Layer.effectDiscard(Effect.sync(() => {
      for (const secret of secrets) {
        const text = Redacted.value(secret)
        configured.add(text)
        // A header has its scheme before the secret itself.
        configured.add(text.replace(/^(?:bearer|basic)\s+/i, ""))
      }
    })),
    Layer.succeed(Headers.CurrentRedactedNames, headerNames),
    Layer.succeed(UrlParams.CurrentRedactedNames, queryNames)
  )
