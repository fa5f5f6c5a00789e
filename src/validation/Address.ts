/**
 * Which addresses may be reached on somebody else's word: a table of ranges, and for IPv6 the one block that is handed out
 * worldwide; all the rest is refused unseen. Trap: an address inside an address counts as the inner one, or not at all.
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/** The address in its one spelling, or the name of the range that refuses it, for logs. */
export type Judgement =
  | { readonly _tag: "Allowed"; readonly address: string }
  | { readonly _tag: "Refused"; readonly why: string }

export interface AddressTable {
  /** Judges an address as text. What is no plain address, such as one with a zone, is refused. */
  readonly judge: (address: string) => Judgement
}

/** A range in CIDR form and what it is for. */
export type Range = readonly [cidr: string, name: string]

export interface TableRows {
  /** Refused ranges of both families. */
  readonly refused: ReadonlyArray<Range>
  /** Outside these no IPv6 address is reached; IPv4 needs no such list. */
  readonly reachable: ReadonlyArray<string>
  /** /96 prefixes whose last 32 bits are an IPv4 address that is judged in their place. Default none: NAT64 is refused. */
  readonly nat64?: ReadonlyArray<string> | undefined
}

/** IANA's special-purpose registries of November 2026, with what clouds and multicast add; reachable or not, none is an origin. */
const refused: ReadonlyArray<Range> = [
  ["0.0.0.0/8", "this network (RFC 791)"],
  ["10.0.0.0/8", "private (RFC 1918)"],
  ["100.64.0.0/10", "shared address space (RFC 6598), with Alibaba's metadata"],
  ["127.0.0.0/8", "loopback (RFC 1122)"],
  ["168.63.129.16/32", "Azure's host agent, which looks public"],
  ["169.254.0.0/16", "link local and cloud metadata (RFC 3927)"],
  ["172.16.0.0/12", "private (RFC 1918)"],
  ["192.0.0.0/24", "protocol assignments (RFC 6890), with Oracle's metadata"],
  ["192.0.2.0/24", "documentation (RFC 5737)"],
  ["192.31.196.0/24", "AS112 (RFC 7535)"],
  ["192.52.193.0/24", "AMT (RFC 7450)"],
  ["192.88.99.0/24", "6to4 relays (RFC 7526)"],
  ["192.168.0.0/16", "private (RFC 1918)"],
  ["192.175.48.0/24", "AS112 (RFC 7534)"],
  ["198.18.0.0/15", "benchmarking (RFC 2544)"],
  ["198.51.100.0/24", "documentation (RFC 5737)"],
  ["203.0.113.0/24", "documentation (RFC 5737)"],
  ["224.0.0.0/4", "multicast (RFC 5771)"],
  ["240.0.0.0/4", "reserved and broadcast (RFC 1112, 919)"],
  ["::/128", "unspecified (RFC 4291)"],
  ["::1/128", "loopback (RFC 4291)"],
  ["::/96", "IPv4-compatible (RFC 4291)"],
  ["::ffff:0:0:0/96", "IPv4-translated (RFC 2765)"],
  ["64:ff9b::/96", "NAT64 (RFC 6052)"],
  ["64:ff9b:1::/48", "local NAT64 (RFC 8215)"],
  ["100::/64", "discard-only (RFC 6666)"],
  ["100:0:0:1::/64", "dummy (RFC 9780)"],
  ["2001::/32", "Teredo (RFC 4380)"],
  ["2001::/23", "protocol assignments (RFC 2928)"],
  ["2001:db8::/32", "documentation (RFC 3849)"],
  ["2002::/16", "6to4 (RFC 3056)"],
  ["2620:4f:8000::/48", "AS112 (RFC 7534)"],
  ["3fff::/20", "documentation (RFC 9637)"],
  ["5f00::/16", "segment routing (RFC 9602)"],
  ["fc00::/7", "unique local (RFC 4193), with clouds' metadata"],
  ["fe80::/10", "link local (RFC 4291)"],
  ["fec0::/10", "site local (RFC 3879)"],
  ["ff00::/8", "multicast (RFC 4291)"]
]

const lastFour = (address: NetAddress.Ipv6Address): NetAddress.Ipv4Address => {
  const octets = NetAddress.ipv6ToOctets(address)
  return NetAddress.ipv4FromBytesUnsafe(Uint8Array.from(octets.slice(12)))
}

/** A table of its own, for tests and for networks with NAT64. Throws on a range that is none. */
export const makeTable = (rows: TableRows): AddressTable => {
  const ranges = rows.refused.map(([cidr, name]) => ({ network: IpNetwork.fromStringUnsafe(cidr), name }))
  const reachable = rows.reachable.map(IpNetwork.fromStringUnsafe)
  const nat64 = (rows.nat64 ?? []).map(IpNetwork.fromStringUnsafe)
  const inner = (address: NetAddress.IpAddress): NetAddress.IpAddress =>
    !NetAddress.isIpv6Address(address)
      ? address
      : nat64.some((network) => IpNetwork.contains(network, address))
      ? lastFour(address)
      : Option.getOrElse(NetAddress.fromIpv4Mapped(address), () => address)
  return {
    judge: (text) => {
      const parsed = NetAddress.ipFromString(text)
      if (Result.isFailure(parsed)) return { _tag: "Refused", why: "not an address" }
      const address = inner(parsed.success)
      const range = ranges.find(({ network }) => IpNetwork.contains(network, address))
      if (range !== undefined) return { _tag: "Refused", why: range.name }
      if (NetAddress.isIpv6Address(address) && !reachable.some((network) => IpNetwork.contains(network, address))) {
        return { _tag: "Refused", why: "outside the IPv6 addresses that are handed out" }
      }
      // Behind NAT64 the outer address is the one that can be dialled.
      return { _tag: "Allowed", address: NetAddress.formatIp(NetAddress.toCanonical(parsed.success)) }
    }
  }
}

/** What a caller's URL may reach: the public internet. */
export const publicAddresses: AddressTable = makeTable({ refused, reachable: ["2000::/3"] })
