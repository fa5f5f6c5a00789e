import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { publicAddresses } from "../../src/validation/Address.ts"
import { checkRedirect, checkUrl, layer, publicPolicy, Resolver, UrlGuard } from "../../src/validation/Url.ts"
import { holds, pick, runs } from "../providers/Seeded.ts"

const options = runs(3000, 50_000)
const rounds = options.numRuns
const timeout = 120_000

/** IPv4 ranges that no caller may reach, as numbers: written down apart from the table that is tested. */
const blocked: ReadonlyArray<readonly [first: number, bits: number]> = [
  [0x00000000, 8],
  [0x0a000000, 8],
  [0x64400000, 10],
  [0x7f000000, 8],
  [0xa83f8110, 32],
  [0xa9fe0000, 16],
  [0xac100000, 12],
  [0xc0000000, 24],
  [0xc0000200, 24],
  [0xc01fc400, 24],
  [0xc034c100, 24],
  [0xc0586300, 24],
  [0xc0a80000, 16],
  [0xc0af3000, 24],
  [0xc6120000, 15],
  [0xc6336400, 24],
  [0xcb007100, 24],
  [0xe0000000, 4],
  [0xf0000000, 4]
]
const isBlocked = (address: number): boolean =>
  blocked.some(([first, bits]) => address >= first && address < first + 2 ** (32 - bits))

type Random = () => number
const below = (random: Random, limit: number): number => Math.floor(random() * limit)
const chance = (random: Random, share: number): boolean => random() < share

const blockedAddress = (random: Random): number => {
  const [first, bits] = pick(random, blocked)
  const size = 2 ** (32 - bits)
  return first + pick(random, [0, size - 1, below(random, size)])
}

const openAddress = (random: Random): number => {
  const address = pick(random, [below(random, 2 ** 32), ...blocked.map(([first, bits]) => first + 2 ** (32 - bits))])
  return address >= 2 ** 32 || isBlocked(address) ? openAddress(random) : address
}

const octets = (address: number): ReadonlyArray<number> =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256)
const dotted = (address: number): string => octets(address).join(".")

/** A number as `inet_aton` reads it. */
const numeral = (random: Random, value: number): string => {
  const zeros = "0".repeat(chance(random, 0.3) ? below(random, 6) : 0)
  return pick(random, [
    String(value),
    `0${zeros}${value.toString(8)}`,
    `0x${zeros}${value.toString(16)}`,
    `0X${zeros}${value.toString(16).toUpperCase()}`
  ])
}

/** One to four numbers, of which the last holds what is left. */
const classic = (random: Random, address: number): string => {
  const count = 1 + below(random, 4)
  const head = octets(address).slice(0, count - 1).map((octet) => numeral(random, octet))
  return [...head, numeral(random, address % 2 ** (8 * (5 - count)))].join(".")
}

const otherDigits = ["０", "⓪", "𝟎", "𝟘", "𝟬", "⁰"]
const circled = ["⓪", "①", "②", "③", "④", "⑤", "⑥", "⑦", "⑧", "⑨"]
const superscript = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"]

const disguisedDigit = (random: Random, digit: string): string => {
  const zero = pick(random, otherDigits)
  return zero === "⓪"
    ? circled[Number(digit)] ?? digit
    : zero === "⁰"
    ? superscript[Number(digit)] ?? digit
    : String.fromCodePoint((zero.codePointAt(0) ?? 0) + Number(digit))
}

/** Other characters that a parser maps to these, and some that it drops or decodes. */
const disguised = (random: Random, text: string): string =>
  Array.from(text, (character) => {
    const shown = !chance(random, 0.3)
      ? character
      : /\d/.test(character)
      ? pick(random, [disguisedDigit(random, character), `%3${character}`])
      : character === "."
      ? pick(random, ["。", "．", "｡", "%2e", "%2E", "%E3%80%82"])
      : character.toUpperCase()
    return chance(random, 0.05) ? shown + pick(random, ["\u00ad", "\u200b", "\u2060", "\t", "\n", "%C2%AD"]) : shown
  }).join("")

type Segments = ReadonlyArray<number>

/** Eight groups, shortened, padded and in either case, the last two as an IPv4 address if they like. */
const grouped = (random: Random, segments: Segments): string => {
  const groups = segments.map((segment) => {
    const text = segment.toString(16).padStart(pick(random, [1, 2, 4]), "0")
    return chance(random, 0.3) ? text.toUpperCase() : text
  })
  if (chance(random, 0.3)) {
    groups.splice(6, 2, dotted((segments[6] ?? 0) * 65_536 + (segments[7] ?? 0)))
  }
  const zeros = groups.flatMap((group, index) => /^0+$/.test(group) ? [index] : [])
  if (zeros.length === 0 || chance(random, 0.3)) return groups.join(":")
  const start = pick(random, zeros)
  let end = start
  while (end < groups.length && /^0+$/.test(groups[end] ?? "")) end++
  return `${groups.slice(0, start).join(":")}::${groups.slice(end).join(":")}`
}

const pair = (address: number): readonly [number, number] => [Math.floor(address / 65_536), address % 65_536]
const anyGroups = (random: Random, count: number): Segments =>
  Array.from({ length: count }, () => pick(random, [0, 1, 0xffff, below(random, 65_536)]))

/** An IPv4 address inside an IPv6 one, in every way that there is. */
const embedded = (random: Random, address: number): Segments => {
  const inner = pair(address)
  return pick<() => Segments>(random, [
    () => [0, 0, 0, 0, 0, 0xffff, ...inner],
    () => [0, 0, 0, 0, 0, 0, ...inner],
    () => [0, 0, 0, 0, 0xffff, 0, ...inner],
    () => [0x64, 0xff9b, 0, 0, 0, 0, ...inner],
    () => [0x64, 0xff9b, 1, ...anyGroups(random, 3), ...inner],
    () => [0x2002, ...inner, ...anyGroups(random, 5)],
    () => [0x2001, 0, ...inner, ...anyGroups(random, 4)],
    () => [0x2001, 0, ...anyGroups(random, 4), ...pair(2 ** 32 - 1 - address)]
  ])()
}

/** IPv6 addresses that are special in themselves, or that nobody has been given. */
const special = (random: Random): Segments => {
  const rest = (count: number) => anyGroups(random, count)
  return pick<() => Segments>(random, [
    () => [0, 0, 0, 0, 0, 0, 0, below(random, 3)],
    () => [0x100, 0, 0, below(random, 2), ...rest(4)],
    () => [0x2001, below(random, 0x200), ...rest(6)],
    () => [0x2001, 0xdb8, ...rest(6)],
    () => [0x2620, 0x4f, 0x8000, ...rest(5)],
    () => [0x3fff, below(random, 0x1000), ...rest(6)],
    () => [0x5f00, ...rest(7)],
    () => [0xfc00 + below(random, 0x200), ...rest(7)],
    () => [0xfe80 + below(random, 0x80), ...rest(7)],
    () => [0xff00 + below(random, 0x100), ...rest(7)],
    () => [below(random, 0x2000), ...rest(5), 0x808, 0x808 + below(random, 9)],
    () => [0x4000 + below(random, 0xc000), ...rest(7)]
  ])()
}

const around = (random: Random, host: string): string => {
  const scheme = pick(random, ["http", "https", "HTTP", "hTTps"])
  const port = pick(random, ["", ":", ":80", ":443", ":0080"])
  const path = pick(random, ["", "/", "/a.png", "/?x=1", "?x", "#x", "/@example.com/", "/%2e%2e/"])
  return `${scheme}://${host}${port}${path}`
}

/** A mapped address of a public one is that one. */
const isOpenInside = (segments: Segments): boolean =>
  segments.slice(0, 5).every((segment) => segment === 0) && segments[5] === 0xffff &&
  !isBlocked((segments[6] ?? 0) * 65_536 + (segments[7] ?? 0))

const ruleOf = (url: string): string => {
  const checked = checkUrl(url, publicPolicy)
  return "rule" in checked ? checked.rule : "allowed"
}
const isAllowed = (url: string): boolean => ruleOf(url) === "allowed"

describe("an address that is not public", () => {
  it("is refused in every spelling of IPv4", { timeout }, () => {
    let read = 0
    holds(options, (random) => {
      const address = blockedAddress(random)
      const plain = chance(random, 0.2) ? dotted(address) : classic(random, address)
      const text = (chance(random, 0.5) ? disguised(random, plain) : plain) + pick(random, ["", "", "."])
      const url = around(random, text)
      const rule = ruleOf(url)
      if (rule === "allowed") expect.fail(`${JSON.stringify(url)} is ${dotted(address)}`)
      if (rule === "address") read += 1
    })
    // Many are addresses to the parser and no others would be worth much.
    expect(read).toBeGreaterThan(rounds / 3)
  })

  it("is refused in every spelling of IPv6, and inside one", { timeout }, () => {
    let read = 0
    holds(options, (random) => {
      const segments = chance(random, 0.6) ? embedded(random, blockedAddress(random)) : special(random)
      const url = around(random, `[${grouped(random, segments)}]`)
      const rule = ruleOf(url)
      if (rule === "allowed" && !isOpenInside(segments)) expect.fail(JSON.stringify(url))
      if (rule === "address") read += 1
    })
    expect(read).toBeGreaterThan(rounds / 3)
  })

  it("is refused as the answer of a name server, however that writes it", { timeout }, () => {
    holds(options, (random) => {
      const address = blockedAddress(random)
      const text = pick(random, [
        dotted(address),
        classic(random, address),
        grouped(random, embedded(random, address)),
        `${grouped(random, special(random))}%${pick(random, ["eth0", "1", ""])}`
      ])
      if (publicAddresses.judge(text)._tag === "Allowed") expect.fail(text)
    })
  })

  it.effect("is refused in every spelling of a redirect", () =>
    Effect.gen(function*() {
      const resolver = Layer.succeed(Resolver, { addresses: () => Effect.succeed(["8.8.8.8"]) })
      const guard = yield* Effect.provide(UrlGuard, Layer.provide(layer(), resolver))
      const from = yield* guard.judge("http://example.com/a/b")
      holds(options, (random) => {
        const host = chance(random, 0.5)
          ? disguised(random, classic(random, blockedAddress(random)))
          : `[${grouped(random, embedded(random, blockedAddress(random)))}]`
        const before = pick(random, [
          "//",
          "\\\\",
          "/\\",
          "http://",
          "https://",
          "http:\\\\",
          "http:/\\/",
          "//user@",
          " //"
        ])
        const checked = checkRedirect(from, before + host + pick(random, ["", "/", ":80/", "\\"]), publicPolicy)
        if (!("rule" in checked)) expect.fail(JSON.stringify([before + host, checked]))
      })
    }), timeout)
})

describe("a public address", () => {
  it("is allowed as four decimal numbers, mapped, and as an answer", { timeout }, () => {
    holds(options, (random) => {
      const address = openAddress(random)
      expect(checkUrl(`http://${dotted(address)}/`, publicPolicy)).toMatchObject({ address: dotted(address) })
      const mapped = grouped(random, [0, 0, 0, 0, 0, 0xffff, ...pair(address)])
      expect(checkUrl(`http://[${mapped}]/`, publicPolicy)).toMatchObject({ address: dotted(address) })
      expect(publicAddresses.judge(mapped)).toEqual({ _tag: "Allowed", address: dotted(address) })
    })
  })

  it("in another spelling than that is refused", { timeout }, () => {
    holds(options, (random) => {
      const address = openAddress(random)
      const text = disguised(random, classic(random, address))
      if (text !== dotted(address) && isAllowed(`http://${text}/`)) expect.fail(JSON.stringify(text))
    })
  })
})

describe("a name that only a network knows", () => {
  it("is refused in every case, width and with its last dot", { timeout }, () => {
    const suffixes = ["localhost", "local", "internal", "lan", "corp", "home.arpa", "svc", "nip.io", "metadata.goog"]
    holds(options, (random) => {
      const labels = Array.from(
        { length: below(random, 4) },
        () => pick(random, ["a", "db", "example", "com", "8", "x-1"])
      )
      const name = Array.from(
        [...labels, pick(random, suffixes)].join("."),
        (character) =>
          /[a-z]/.test(character) && chance(random, 0.2)
            ? pick(random, [character.toUpperCase(), String.fromCodePoint((character.codePointAt(0) ?? 0) + 0xfee0)])
            : character === "." && chance(random, 0.1)
            ? pick(random, ["。", "．"])
            : chance(random, 0.02)
            ? `${character}\u00ad`
            : character
      ).join("")
      const url = around(random, name + pick(random, ["", ".", "。"]))
      if (isAllowed(url)) expect.fail(JSON.stringify(url))
    })
  })
})
