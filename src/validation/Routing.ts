/**
 * Members of a body that would tell the gateway where to go, with which key or whom else to ask, as SDKs and gateways of other makers
 * take them. Trap: passed on as an unknown member, such a one may still rule a gateway behind this one: a key that may call one model
 * would get another from there, at a price that no budget has reserved. So may one that is spelt `Model`.
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

/** By which a request is judged, limited and priced. */
const ruled: ReadonlySet<string> = new Set([
  "functions",
  "input",
  "max_completion_tokens",
  "max_tokens",
  "messages",
  "metadata",
  "modalities",
  "model",
  "n",
  "prompt",
  "service_tier",
  "stream",
  "stream_options",
  "tools",
  "user"
])

/** As a parser reads a name that passes over case, as Go's does, and so Ollama and gateways that are written in it. */
const folded = (name: string): string => /^[a-z0-9_]*$/.test(name) ? name : name.toUpperCase().toLowerCase()

/** @param names the members of the request as it was written */
export const flawOfRouting = (names: Iterable<string>): ScanProblem | undefined => {
  for (const name of names) {
    // As almost all are.
    if (ruled.has(name)) continue
    const read = folded(name)
    if (read !== name && ruled.has(read)) {
      return {
        message:
          `The member '${name}' is not taken, for some upstreams read it as '${read}'. Write it so, or remove it.`,
        param: name,
        code: "routing_member"
      }
    }
    if (!routing.has(name) && !routing.has(read)) continue
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

/** What guards read of a message and its parts. */
const spoken: ReadonlySet<string> = new Set(["content", "refusal", "role", "text", "tool_calls", "type"])

const misreadOf = (value: unknown): string | undefined =>
  typeof value !== "object" || value === null
    ? undefined
    : Object.keys(value).find((name) => folded(name) !== name && spoken.has(folded(name)))

/** Why guards cannot judge these messages: an upstream may read another member than they do. */
export const flawOfMessages = (
  messages: ReadonlyArray<{ readonly content?: unknown }>
): ScanProblem | undefined => {
  for (const [at, message] of messages.entries()) {
    const parts: ReadonlyArray<unknown> = Array.isArray(message.content) ? message.content : []
    const name = misreadOf(message) ?? parts.map(misreadOf).find((found) => found !== undefined)
    if (name === undefined) continue
    return {
      message: `Invalid 'messages[${at}]': some upstreams read its member '${name}' as '${
        folded(name)
      }'. Write it so, or remove it.`,
      param: `messages[${at}]`,
      code: "routing_member"
    }
  }
  return undefined
}

/** The same for callers whose models, limits or budget would not hold for what is asked behind their upstream's address. */
export const flawOfSteering = (names: Iterable<string>): ScanProblem | undefined => {
  for (const name of names) {
    if (ruled.has(name) || (!steering.has(name) && !steering.has(folded(name)))) continue
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
