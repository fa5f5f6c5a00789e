import { describe, expect, it } from "@effect/vitest"
import { callerOf, isNetwork, make } from "../../src/validation/ClientAddress.ts"

const behind = make(["10.0.0.0/8", "::1", "192.0.2.7"])

describe("the caller's address", () => {
  it.each([
    ["203.0.113.9", undefined, "203.0.113.9"],
    ["::ffff:203.0.113.9", undefined, "203.0.113.9"],
    ["203.0.113.9", "198.51.100.1", "203.0.113.9"],
    ["10.1.2.3", undefined, "10.1.2.3"],
    ["10.1.2.3", "198.51.100.1", "198.51.100.1"],
    ["::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"],
    ["::1", "198.51.100.1", "198.51.100.1"],
    ["192.0.2.7", "198.51.100.1", "198.51.100.1"],
    ["192.0.2.8", "198.51.100.1", "192.0.2.8"],
    ["10.1.2.3", "6.6.6.6, 198.51.100.1", "198.51.100.1"],
    ["10.1.2.3", "6.6.6.6, 198.51.100.1, 10.9.9.9", "198.51.100.1"],
    ["10.1.2.3", "10.9.9.9, 10.8.8.8", "10.9.9.9"],
    ["10.1.2.3", "198.51.100.1, nonsense", "10.1.2.3"],
    ["10.1.2.3", "nonsense, 10.9.9.9", "10.9.9.9"],
    ["10.1.2.3", "", "10.1.2.3"],
    ["10.1.2.3", "198.51.100.1:4711", "198.51.100.1"],
    ["10.1.2.3", "[2001:db8::1]:4711", "2001:db8::1"],
    ["10.1.2.3", "2001:DB8:0:0::1", "2001:db8::1"],
    ["10.1.2.3", "::ffff:198.51.100.1", "198.51.100.1"],
    ["10.1.2.3", "127.1", "10.1.2.3"],
    ["10.1.2.3", "0x7f.1", "10.1.2.3"],
    ["/tmp/socket", "198.51.100.1", "/tmp/socket"]
  ])("from %s with %j is %s", (peer, forwarded, address) => {
    expect(behind.of(peer, forwarded)).toBe(address)
  })

  it("is the connection's own where no proxy is listed, whatever is said", () => {
    expect(make([]).of("127.0.0.1", "198.51.100.1")).toBe("127.0.0.1")
  })

  it("is a proxy's only where one is listed", () => {
    expect(behind.isTrusted("::ffff:10.0.0.1")).toBe(true)
    expect(behind.isTrusted("11.0.0.1")).toBe(false)
    expect(behind.isTrusted("nonsense")).toBe(false)
  })
})

describe("a network of the file", () => {
  it.each(["10.0.0.0/8", "10.0.0.1", "::1", "fd00::/8", "0.0.0.0/0"])("%s is one", (text) => {
    expect(isNetwork(text)).toBe(true)
  })

  it.each(["", "*", "10.0.0.0/33", "10.0.0/8", "example.com", "127.1", "010.0.0.1"])("%j is none", (text) => {
    expect(isNetwork(text)).toBe(false)
  })
})

describe("one caller", () => {
  it("is an address of IPv4, however it is written, and 64 bits of IPv6, whatever is behind them", () => {
    expect(callerOf("::ffff:203.0.113.9")).toBe(callerOf("203.0.113.9"))
    expect(callerOf("203.0.113.10")).not.toBe(callerOf("203.0.113.9"))
    expect(callerOf("2001:db8:1:2:ffff:ffff:ffff:ffff")).toBe(callerOf("2001:DB8:1:2::1"))
    expect(callerOf("2001:db8:1:3::1")).not.toBe(callerOf("2001:db8:1:2::1"))
    expect(callerOf("/tmp/socket")).toBe("/tmp/socket")
  })
})
