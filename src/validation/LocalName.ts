/** Names that mean something inside a network only, or that anybody can point there: refused before anyone is asked. */

/** Last labels that are never delegated, or are a network's own. */
const localSuffixes: ReadonlySet<string> = new Set([
  "alt",
  "corp",
  "home",
  "internal",
  "intranet",
  "invalid",
  "lan",
  "local",
  "localdomain",
  "localdomain4",
  "localdomain6",
  "localhost",
  "onion",
  "private",
  "svc",
  "test"
])

/** Whole names, and everything below them, that no name server of the internet knows either. */
const undelegated: ReadonlyArray<string> = ["home.arpa", "kubernetes.default"]

/** The same of names that somebody owns. The address decides in any case; this refuses what only others would look up. */
const owned: ReadonlyArray<string> = [
  "in-addr.arpa",
  "ip6.arpa",
  // Services of a cloud.
  "metadata.azure.com",
  "metadata.goog",
  "metadata.packet.net",
  "metadata.tencentyun.com",
  // Public names that hold whatever address is written in them, or a loopback one.
  "lvh.me",
  "localtest.me",
  "nip.io",
  "sslip.io",
  "traefik.me",
  "vcap.me",
  "xip.io"
]

const isBelow = (name: string, names: ReadonlyArray<string>): boolean =>
  names.some((one) => name === one || name.endsWith(`.${one}`))

/** True for one label alone and for names that nobody on the internet owns. `name` is lower case, ASCII, and without its last dot. */
export const isUnownedName = (name: string): boolean => {
  const last = name.lastIndexOf(".")
  return last < 0 || localSuffixes.has(name.slice(last + 1)) || isBelow(name, undelegated)
}

/** True for these and for names that lead inside though somebody owns them. */
export const isLocalName = (name: string): boolean => isUnownedName(name) || isBelow(name, owned)
