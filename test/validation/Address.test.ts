import { describe, expect, it } from "@effect/vitest"
import { makeTable, publicAddresses } from "../../src/validation/Address.ts"

const verdictOf = (address: string, table = publicAddresses): string => {
  const judgement = table.judge(address)
  return judgement._tag === "Allowed" ? judgement.address : judgement._tag
}

describe("an address", () => {
  it.each([
    ["8.8.8.8", "8.8.8.8"],
    ["2606:4700:4700:0:0:0:0:1111", "2606:4700:4700::1111"],
    ["2606:4700:4700::1111", "2606:4700:4700::1111"],
    ["2A00:1450::1", "2a00:1450::1"],
    ["::ffff:8.8.8.8", "8.8.8.8"],
    ["0:0:0:0:0:ffff:808:808", "8.8.8.8"]
  ])("%s is %s", (written, plain) => {
    expect(verdictOf(written)).toBe(plain)
  })

  it.each([
    "",
    " 8.8.8.8",
    "8.8.8.8 ",
    "8.8.8",
    "8.8.8.8.8",
    "08.8.8.8",
    "0x8.8.8.8",
    "134744072",
    "8.8.8.8/32",
    "8.8.8.8:80",
    "[2606:4700::1]",
    "2606:4700::1%eth0",
    "fe80::1%1",
    "2606:4700::1::2",
    "localhost",
    "example.com",
    "８.8.8.8"
  ])("%j is none, so it is refused", (text) => {
    expect(publicAddresses.judge(text)).toEqual({ _tag: "Refused", why: "not an address" })
  })

  it.each([
    ["127.0.0.1", "loopback"],
    ["::ffff:10.0.0.1", "private"],
    ["168.63.129.16", "Azure"],
    ["100.100.100.200", "metadata"],
    ["169.254.169.254", "metadata"],
    ["fd00:ec2::254", "unique local"],
    ["2002:7f00:1::", "6to4"],
    ["2001:0:7f00:1::", "Teredo"],
    ["64:ff9b::a00:1", "NAT64"],
    ["::10.0.0.1", "IPv4-compatible"],
    ["::1", "loopback"],
    ["4000::1", "outside"]
  ])("%s is refused by the name of its range: %s", (address, name) => {
    const judgement = publicAddresses.judge(address)
    expect(judgement._tag === "Refused" ? judgement.why : "").toContain(name)
  })
})

describe("a table", () => {
  const rows = { refused: [["10.0.0.0/8", "private"]], reachable: ["2000::/3"] } as const
  const nat64 = makeTable({ ...rows, nat64: ["64:ff9b::/96", "2001:db8:64::/96"] })

  it("judges what stands behind NAT64 where the network has one, and dials it by the outer address", () => {
    expect(verdictOf("64:ff9b::808:808", nat64)).toBe("64:ff9b::808:808")
    expect(verdictOf("2001:db8:64::808:808", nat64)).toBe("2001:db8:64::808:808")
    expect(verdictOf("64:ff9b::a00:1", nat64)).toBe("Refused")
    expect(verdictOf("2001:db8:64::a00:1", nat64)).toBe("Refused")
    expect(verdictOf("64:ff9b::1:808:808", nat64)).toBe("Refused")
    expect(verdictOf("64:ff9b::808:808", makeTable(rows))).toBe("Refused")
  })

  it("with a range that is none cannot be made", () => {
    for (const cidr of ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "nonsense"]) {
      expect(() => makeTable({ ...rows, refused: [[cidr, "x"]] })).toThrow(/address|network|prefix|host bits|CIDR/i)
    }
  })
})
