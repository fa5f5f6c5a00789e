/**
 * Members of a body that would tell the gateway where to go, with which key or whom else to ask, as SDKs and gateways of other makers
 * take them. Trap: passed on as an unknown member, such a one may still rule a gateway behind this one: a key that may call one model
 * would get another from there, at a price that no budget has reserved.
 */
import type { ScanProblem } from "./JsonText.ts"

/** Each in every spelling that a parameter has: snake, kebab, camel, and in one word. */
const spellings = (all: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(all.flatMap((words) => {
    const [first = "", ...rest] = words.split(" ")
    const camel = rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")
    return [
      words.replaceAll(" ", "_"),
      words.replaceAll(" ", "-"),
      words.replaceAll(" ", ""),
      first + camel,
      `${first}${camel}`.replace(/Url$/, "URL")
    ]
  }))

/** By which an upstream that is a gateway itself asks another model or provider than the one that is named. */
const steering = spellings([
  "content policy fallbacks",
  "context window fallbacks",
  "fallback models",
  "fallbacks",
  "model list",
  "models",
  "provider",
  "provider options",
  "route",
  "router settings override",
  "user config"
])

/** Addresses, keys and headers. */
const routing = spellings([
  "api base",
  "api base url",
  "api key",
  "api keys",
  "api token",
  "api type",
  "api version",
  "auth token",
  "access token",
  "authorization",
  "aws access key id",
  "aws bedrock runtime endpoint",
  "aws profile name",
  "aws role name",
  "aws secret access key",
  "aws session name",
  "aws session token",
  "aws web identity token",
  "azure ad token",
  "azure ad token provider",
  "azure endpoint",
  "base url",
  "client id",
  "client secret",
  "custom llm provider",
  "default headers",
  "default query",
  "extra body",
  "extra headers",
  "extra query",
  "headers",
  "http client",
  "http proxy",
  "https proxy",
  "litellm params",
  "proxies",
  "proxy",
  "ssl verify",
  "tenant id",
  "vertex ai credentials",
  "vertex credentials"
])

/** @param names the members of the request as it was written */
export const flawOfRouting = (names: Iterable<string>): ScanProblem | undefined => {
  for (const name of names) {
    if (!routing.has(name)) continue
    return {
      message:
        `The member '${name}' is not taken from a request: addresses, keys and headers of upstreams belong to the ` +
        "gateway's configuration. Remove it; where an SDK adds it, set it as an option of the client instead.",
      param: name,
      code: "routing_member"
    }
  }
  return undefined
}

/** The same for callers whose models, limits or budget would not hold for what is asked behind their upstream's address. */
export const flawOfSteering = (names: Iterable<string>): ScanProblem | undefined => {
  for (const name of names) {
    if (!steering.has(name)) continue
    return {
      message:
        `The member '${name}' is not taken with this key: its models, limits and budget hold for what 'model' names, ` +
        "and nothing else may be asked in its place. Remove it, or ask the operator for an alias with several targets.",
      param: name,
      code: "routing_member"
    }
  }
  return undefined
}
