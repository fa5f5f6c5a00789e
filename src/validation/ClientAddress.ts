/**
 * Who calls, where proxies stand in between: only what a listed proxy says is believed, from the nearest to the farthest. An address
 * that was mapped into IPv6 is written as the IPv4 address that it is, so that lists and counts see one caller as one.
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

const networkOf = (text: string): IpNetwork.IpNetwork | undefined => {
  const network = Result.getOrUndefined(IpNetwork.fromString(text))
  if (network !== undefined) return network
  const address = Result.getOrUndefined(NetAddress.ipFromString(text))
  return address === undefined ? undefined : IpNetwork.fromAddressUnsafe(address, NetAddress.width(address))
}

/** True for an address or a network such as `10.0.0.0/8`. */
export const isNetwork = (text: string): boolean => networkOf(text) !== undefined

const addressOf = (text: string): NetAddress.IpAddress | undefined => {
  // A port, or an IPv6 address in brackets, as some proxies write it.
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ??
    (/^[\d.]+:\d+$/.test(text) ? text.replace(/:\d+$/, "") : text)
  const address = Result.getOrUndefined(NetAddress.ipFromString(bare))
  return address === undefined ? undefined : NetAddress.toCanonical(address)
}

/** What counts as one caller: an IPv4 address, or the 2^64 of IPv6 that any machine may have for itself. What is no address stays as it is. */
export const callerOf = (peer: string): string => {
  const address = addressOf(peer)
  if (address === undefined) return peer
  return NetAddress.isIpv6Address(address)
    ? NetAddress.ipv6ToOctets(address).slice(0, 8).join(".")
    : NetAddress.formatIp(address)
}

/** Tells the caller's address from the one that the connection comes from, and from what proxies added. */
export interface ClientAddress {
  /** `peer`: of the socket; `forwarded`: the header `x-forwarded-for`. What is no address stays as it is. */
  readonly of: (peer: string, forwarded: string | undefined) => string
  /** True for a listed proxy. */
  readonly isTrusted: (peer: string) => boolean
}

/** Addresses of sockets that are remembered in the form they are told in; a caller comes again on the same one. */
const mostKnown = 1000

/** @param proxies addresses and networks whose word is believed; others are passed over */
export const make = (proxies: ReadonlyArray<string>): ClientAddress => {
  const networks = proxies.map(networkOf).filter((network) => network !== undefined)
  const isListed = (address: NetAddress.IpAddress): boolean =>
    networks.some((network) => IpNetwork.contains(network, address))
  const known = new Map<string, string>()
  const formatted = (peer: string): string => {
    const address = addressOf(peer)
    const text = address === undefined ? peer : NetAddress.formatIp(address)
    if (known.size >= mostKnown) known.clear()
    known.set(peer, text)
    return text
  }
  const of = (peer: string, forwarded: string | undefined): string => {
    if (networks.length === 0 || forwarded === undefined) return known.get(peer) ?? formatted(peer)
    let address = addressOf(peer)
    if (address === undefined) return peer
    if (!isListed(address)) return NetAddress.formatIp(address)
    for (const hop of forwarded.split(",").toReversed()) {
      const next = addressOf(hop.trim())
      if (next === undefined) break
      address = next
      if (!isListed(address)) break
    }
    return NetAddress.formatIp(address)
  }
  return {
    of,
    isTrusted: (peer) => {
      const address = addressOf(peer)
      return address !== undefined && isListed(address)
    }
  }
}
