/** A provider whose address is the gateway's own: every request would come back in, until nothing is left. Refused. */
import { defaultServerSettings } from "../server/ServerSettings.ts"
import { type Problem, problem, valueAt } from "./Problem.ts"
import { kindNamed } from "./ProviderSection.ts"

/** Names of this machine for itself; a wildcard is among them, since who listens there is found under the others. */
const ownNames: ReadonlySet<string> = new Set([
  "localhost",
  "127.0.0.1",
  "0.0.0.0",
  "[::1]",
  "[::]",
  "[::ffff:7f00:1]"
])

const wildcards: ReadonlySet<unknown> = new Set(["0.0.0.0", "[::]"])

/** A host as URLs write it; undefined when it is none. */
const hostOf = (host: string): string | undefined =>
  URL.parse(`http://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}`)?.hostname

const isSame = (own: string | undefined, asked: string): boolean =>
  own === asked || own !== undefined && ownNames.has(own) && ownNames.has(asked) ||
  wildcards.has(own) && asked.startsWith("127.")

/** The address with the next port: where the upstream could be instead. */
const elsewhere = (url: URL, port: number): string => {
  const moved = new URL(url)
  moved.port = String(port === 65_535 ? port - 1 : port + 1)
  return moved.href
}

/** What is wrong with the address of the provider `name`, if it is where the document's server listens. */
export const checkSelfCall = (document: unknown, name: string): ReadonlyArray<Problem> => {
  const path = ["providers", name]
  const host = valueAt(document, ["server", "host"]) ?? defaultServerSettings.host
  const port = valueAt(document, ["server", "port"]) ?? defaultServerSettings.port
  const kind = kindNamed(String(valueAt(document, [...path, "kind"]) ?? name))
  const address = valueAt(document, [...path, "baseUrl"]) ?? kind?.baseUrl
  const url = typeof address === "string" ? URL.parse(address) : null
  if (kind?.kind === "simulated" || url?.protocol !== "http:" || typeof host !== "string") return []
  const asked = url.port === "" ? 80 : Number(url.port)
  if (port !== asked || !isSame(hostOf(host), url.hostname)) return []
  return [problem(
    [...path, "baseUrl"],
    address,
    `this is where Breakwater itself listens, so it would call itself without end; give the upstream or Breakwater ` +
      `(server.port, --port) another port`,
    elsewhere(url, asked)
  )]
}
