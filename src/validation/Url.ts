/**
 * May this URL of a caller be reached? Parsed once, judged as text, its name looked up once, every answer judged: what comes out
 * carries the addresses that may be dialled, so that nothing is asked twice. Trap: two parsers or two lookups are a hole.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { type AddressTable, publicAddresses } from "./Address.ts"
import { isLocalName } from "./LocalName.ts"

export interface UrlPolicy {
  readonly table: AddressTable
  /** Default 80 and 443. */
  readonly ports: ReadonlySet<number>
  /** Hosts that may be named, exact or as `*.suffix`; empty = every public one. Default empty. */
  readonly hosts: ReadonlyArray<string>
  /** Characters of a URL. Default 2048. */
  readonly maxLength: number
}

/** The public internet over HTTP. */
export const publicPolicy: UrlPolicy = {
  table: publicAddresses,
  ports: new Set([80, 443]),
  hosts: [],
  maxLength: 2048
}

/** Which rule a URL breaks, with what may be told of it to whoever wrote it: nothing that only a lookup could have shown. */
const rules = {
  length: "is too long",
  form: "is not an absolute URL",
  scheme: "must begin with http:// or https://",
  credentials: "must not contain a user name or password",
  port: "must use port 80 or 443",
  host: "has a host that is not written plainly",
  local: "names a host that is not public",
  address: "names an address that is not public",
  unlisted: "names a host that this gateway's operator has not listed",
  downgrade: "leads from https to http",
  lookup: "names a host that cannot be found"
} as const

export type UrlRule = keyof typeof rules

/** Why a URL is refused. `detail` may hold what a lookup found and is for our own log. */
export class UrlRefused extends Data.TaggedClass("UrlRefused")<{
  readonly rule: UrlRule
  readonly detail?: string | undefined
}> {
  /** The rest of a sentence that begins with the URL. */
  get message(): string {
    return rules[this.rule]
  }
}

/** A URL that is in order as a text; where its name leads is not known yet. */
export interface CheckedUrl {
  readonly protocol: "http:" | "https:"
  /** `https://host:port`, the port only where it is not the scheme's own. */
  readonly origin: string
  /** Lower case and ASCII, without brackets or a last dot. */
  readonly hostname: string
  /** Path and query. */
  readonly path: string
  /** The judged address, where the host is one. */
  readonly address: string | undefined
}

class Judged {
  readonly #judged = true
  readonly protocol: CheckedUrl["protocol"]
  readonly origin: string
  readonly hostname: string
  readonly path: string
  /** Every address that may be dialled for it, and no other; at least one. */
  readonly addresses: ReadonlyArray<string>

  constructor({ hostname, origin, path, protocol }: CheckedUrl, addresses: ReadonlyArray<string>) {
    this.protocol = protocol
    this.origin = origin
    this.hostname = hostname
    this.path = path
    this.addresses = Object.freeze([...addresses])
    Object.freeze(this)
  }

  static is(value: unknown): value is Judged {
    return typeof value === "object" && value !== null && #judged in value && value.#judged
  }
}

/** A URL that may be reached now, at these addresses. Only `UrlGuard` makes one; use it at once, for names move. */
export type SafeUrl = Judged

/** True for what the guard made; nothing else has the mark. */
export const isSafeUrl = (value: unknown): value is SafeUrl => Judged.is(value)

const refuse = (rule: UrlRule, detail?: string): UrlRefused => new UrlRefused({ rule, detail })

/** `*.example.com` is every name below `example.com`. */
const isListed = (hostname: string, hosts: ReadonlyArray<string>): boolean =>
  hosts.some((host) => host.startsWith("*.") ? hostname.endsWith(host.slice(1)) : hostname === host)

interface HostOf {
  readonly hostname: string
  readonly address: string | undefined
}

const judgeAddress = (text: string, table: AddressTable): HostOf | UrlRefused => {
  const judgement = table.judge(text)
  return judgement._tag === "Refused"
    ? refuse("address", judgement.why)
    : { hostname: text, address: judgement.address }
}

const judgeHost = (host: string, table: AddressTable): HostOf | UrlRefused => {
  if (host.startsWith("[")) return judgeAddress(host.slice(1, -1), table)
  if (Result.isSuccess(NetAddress.ipv4FromString(host))) return judgeAddress(host, table)
  const hostname = host.endsWith(".") ? host.slice(0, -1) : host
  if (hostname.endsWith(".") || Result.isFailure(Host.domainNameFromString(hostname))) return refuse("host")
  return isLocalName(hostname) ? refuse("local", hostname) : { hostname, address: undefined }
}

const judgeParsed = (url: URL, policy: UrlPolicy): CheckedUrl | UrlRefused => {
  const { protocol } = url
  if (protocol !== "http:" && protocol !== "https:") return refuse("scheme")
  if (url.username !== "" || url.password !== "") return refuse("credentials")
  const port = url.port === "" ? (protocol === "https:" ? 443 : 80) : Number(url.port)
  if (!policy.ports.has(port)) return refuse("port", url.port)
  const host = judgeHost(url.hostname, policy.table)
  if ("rule" in host) return host
  if (policy.hosts.length > 0 && !isListed(host.hostname, policy.hosts)) return refuse("unlisted", host.hostname)
  return { ...host, protocol, origin: url.origin, path: url.pathname + url.search }
}

/**
 * Judges a URL as it is written, asking nobody. Stricter than the parser where others read differently: no missing slashes, no
 * backslash, `@` or `%` in the host, no control characters, and an IPv4 address as four decimal numbers only.
 */
export const checkUrl = (text: string, policy: UrlPolicy): CheckedUrl | UrlRefused => {
  if (text.length > policy.maxLength) return refuse("length")
  const written = /^https?:\/\/([^/?#]+)/i.exec(text)
  if (written === null) return refuse(/^(?!https?:)[a-z][a-z0-9+.-]*:/i.test(text) ? "scheme" : "form")
  const authority = written[1] ?? ""
  if (authority.includes("@")) return refuse("credentials")
  if (/\p{Cc}/u.test(text) || /[\\%]/.test(authority)) return refuse("host")
  const url = URL.parse(text)
  if (url === null) return refuse("form")
  const checked = judgeParsed(url, policy)
  const isOddlySpelt = !("rule" in checked) && checked.address !== undefined && !url.hostname.startsWith("[") &&
    authority.replace(/:\d*$/, "") !== url.hostname
  return isOddlySpelt ? refuse("host") : checked
}

/** Judges where an answer from `from` leads, asking nobody. */
export const checkRedirect = (from: SafeUrl, location: string, policy: UrlPolicy): CheckedUrl | UrlRefused => {
  if (location.length > policy.maxLength) return refuse("length")
  const url = URL.parse(location, from.origin + from.path)
  if (url === null) return refuse("form")
  return from.protocol === "https:" && url.protocol === "http:" ? refuse("downgrade") : judgeParsed(url, policy)
}

/** A name has no address, or nobody answered in time. */
export class LookupFailed extends Data.TaggedClass("LookupFailed")<{ readonly code: string }> {}

/** Asks for the addresses of a name. Every answer counts, so none is left out, and none is remembered. */
export class Resolver extends Context.Service<Resolver, {
  readonly addresses: (name: string) => Effect.Effect<ReadonlyArray<string>, LookupFailed>
}>()("breakwater/validation/Url/Resolver") {}

const judgeAnswers = (
  checked: CheckedUrl,
  answers: ReadonlyArray<string>,
  table: AddressTable
): Effect.Effect<SafeUrl, UrlRefused> => {
  const addresses: Array<string> = []
  for (const answer of answers) {
    const judgement = table.judge(answer)
    // One that is refused among many is a name that is being moved, or a trap: the others are not better.
    if (judgement._tag === "Refused") return Effect.fail(refuse("address", `${answer}: ${judgement.why}`))
    addresses.push(judgement.address)
  }
  return addresses.length === 0 ? Effect.fail(refuse("lookup")) : Effect.succeed(new Judged(checked, addresses))
}

/** The only maker of `SafeUrl`. Fails with `UrlRefused`; a redirect is judged like the first URL. */
export class UrlGuard extends Context.Service<UrlGuard, {
  readonly judge: (text: string) => Effect.Effect<SafeUrl, UrlRefused>
  readonly follow: (from: SafeUrl, location: string) => Effect.Effect<SafeUrl, UrlRefused>
}>()("breakwater/validation/Url/UrlGuard") {}

const make = (policy: UrlPolicy, resolver: Resolver["Service"]): UrlGuard["Service"] => {
  const lookUp = (checked: CheckedUrl | UrlRefused): Effect.Effect<SafeUrl, UrlRefused> => {
    if ("rule" in checked) return Effect.fail(checked)
    if (checked.address !== undefined) return Effect.succeed(new Judged(checked, [checked.address]))
    return Effect.matchEffect(resolver.addresses(checked.hostname), {
      onFailure: ({ code }) => Effect.fail(refuse("lookup", code)),
      onSuccess: (answers) => judgeAnswers(checked, answers, policy.table)
    })
  }
  return {
    judge: (text) => Effect.suspend(() => lookUp(checkUrl(text, policy))),
    follow: (from, location) => Effect.suspend(() => lookUp(checkRedirect(from, location, policy)))
  }
}

/** @param overrides changes to `publicPolicy` */
export const layer = (overrides: Partial<UrlPolicy> = {}): Layer.Layer<UrlGuard, never, Resolver> =>
  Layer.effect(UrlGuard, Effect.map(Resolver, (resolver) => make({ ...publicPolicy, ...overrides }, resolver)))
