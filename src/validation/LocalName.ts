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

/** Whole names, and everything below them. The address decides in any case; this refuses what only others would look up. */
const localNames: ReadonlyArray<string> = [
  "home.arpa",
  "in-addr.arpa",
  "ip6.arpa",
  // Services of a cloud or a container's host.
  "kubernetes.default",
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

/** True for one label alone and for the names above. `name` is lower case, ASCII, and without its last dot. */
export const isLocalName = (name: string): boolean => {
  const last = name.lastIndexOf(".")
  return last < 0 || localSuffixes.has(name.slice(last + 1)) ||
    localNames.some((local) => name === local || name.endsWith(`.${local}`))
}
