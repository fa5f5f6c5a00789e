import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import {
  checkUrl,
  isSafeUrl,
  layer,
  LookupFailed,
  publicPolicy,
  Resolver,
  UrlGuard,
  type UrlPolicy
} from "../../src/validation/Url.ts"
import { allowedUrls, refusedUrls } from "./UrlCases.ts"

const shown = (url: string) => JSON.stringify(url.length > 90 ? `${url.slice(0, 90)}…` : url)
const ruleOf = (url: string, policy: Partial<UrlPolicy> = {}) => {
  const checked = checkUrl(url, { ...publicPolicy, ...policy })
  return "rule" in checked ? checked.rule : "allowed"
}

/** A name server with a list of answers for each name: the first question gets the first, the last one stays. */
const resolverOf = (names: Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>>) => {
  const asked: Array<string> = []
  const service = Resolver.of({
    addresses: (name) =>
      Effect.suspend(() => {
        const answers = names[name] ?? []
        const found = answers[asked.filter((other) => other === name).length] ?? answers.at(-1)
        asked.push(name)
        return found === undefined ? Effect.fail(new LookupFailed({ code: "ENOTFOUND" })) : Effect.succeed(found)
      })
  })
  return { asked, layer: Layer.succeed(Resolver, service) }
}

const judged = (url: string, resolver: ReturnType<typeof resolverOf>, policy: Partial<UrlPolicy> = {}) =>
  Effect.flatMap(UrlGuard, (guard) => Effect.result(guard.judge(url))).pipe(
    Effect.provide(Layer.provide(layer(policy), resolver.layer)),
    Effect.map((result) => Result.isSuccess(result) ? result.success.addresses : result.failure.rule)
  )

describe("the table of cases", () => {
  it("has at least 300 refused URLs, 40 allowed ones, and none twice", () => {
    expect(refusedUrls.length).toBeGreaterThanOrEqual(300)
    expect(allowedUrls.length).toBeGreaterThanOrEqual(40)
    const all = [...refusedUrls.map(({ url }) => url), ...allowedUrls]
    expect(all.filter((url, index) => all.indexOf(url) !== index)).toEqual([])
  })
})

describe("a URL as text", () => {
  for (const { rules, url } of refusedUrls) {
    it(`${shown(url)} is refused: ${rules.join(" or ")}`, () => {
      expect(rules).toContain(ruleOf(url))
    })
  }

  for (const url of allowedUrls) {
    it(`${shown(url)} is allowed`, () => {
      expect(ruleOf(url)).toBe("allowed")
    })
  }

  it("keeps what is dialled, sent and certified apart", () => {
    expect(checkUrl("HTTPS://Bücher.Example.com.:443/ä b?q=1#top", publicPolicy)).toMatchObject({
      protocol: "https:",
      origin: "https://xn--bcher-kva.example.com.",
      hostname: "xn--bcher-kva.example.com",
      path: "/%C3%A4%20b?q=1",
      address: undefined
    })
  })

  it("names a mapped address by the one inside", () => {
    expect(checkUrl("http://[::ffff:8.8.8.8]/", publicPolicy)).toMatchObject({ address: "8.8.8.8" })
  })

  it.each([
    ["https://images.example.com/a", "allowed"],
    ["https://images.example.com./a", "allowed"],
    ["https://a.cdn.example.com/a", "allowed"],
    ["https://a.b.cdn.example.com/a", "allowed"],
    ["https://cdn.example.com/a", "unlisted"],
    ["https://evilcdn.example.com/a", "unlisted"],
    ["https://example.com/a", "unlisted"],
    ["https://images.example.com.evil.com/a", "unlisted"],
    ["https://8.8.8.8/a", "unlisted"],
    ["https://1.1.1.1/a", "allowed"],
    ["https://10.0.0.1/a", "address"]
  ])("with a list of hosts %s is %s", (url, rule) => {
    expect(ruleOf(url, { hosts: ["images.example.com", "*.cdn.example.com", "1.1.1.1", "10.0.0.1"] })).toBe(rule)
  })
})

describe("a name that is looked up", () => {
  it.effect.each<readonly [string, ReadonlyArray<string>, ReadonlyArray<string> | string]>([
    ["one public address", ["93.184.215.14"], ["93.184.215.14"]],
    ["several, of both families, in their order", ["2606:2800:21f::1", "93.184.215.14"], [
      "2606:2800:21f::1",
      "93.184.215.14"
    ]],
    ["a mapped one, as the one inside", ["::ffff:8.8.8.8"], ["8.8.8.8"]],
    ["none", [], "lookup"],
    ["a private one", ["10.0.0.1"], "address"],
    ["loopback", ["127.0.0.1"], "address"],
    ["loopback of IPv6", ["::1"], "address"],
    ["metadata", ["169.254.169.254"], "address"],
    ["a mapped private one", ["::ffff:10.0.0.1"], "address"],
    ["a mapped private one in hex", ["::ffff:a00:1"], "address"],
    ["NAT64 of a private one", ["64:ff9b::a00:1"], "address"],
    ["6to4 of a private one", ["2002:a00:1::"], "address"],
    ["link local", ["fe80::1"], "address"],
    ["link local with a zone", ["fe80::1%eth0"], "address"],
    ["a public one with a zone", ["2606:4700::1%eth0"], "address"],
    ["a private one after a public one", ["8.8.8.8", "10.0.0.1"], "address"],
    ["a private one before a public one", ["10.0.0.1", "8.8.8.8"], "address"],
    ["public IPv4 and private IPv6", ["8.8.8.8", "fd00::1"], "address"],
    ["private IPv4 and public IPv6", ["192.168.0.1", "2606:4700::1"], "address"],
    ["one bad among many", [...Array.from({ length: 30 }, (_, index) => `8.8.8.${index}`), "0.0.0.0"], "address"],
    ["an address in octal", ["010.0.0.1"], "address"],
    ["an address as one number", ["134744072"], "address"],
    ["a name in place of an address", ["example.org"], "address"],
    ["an empty text", [""], "address"]
  ])("with %s", ([, answers, expected]) =>
    Effect.gen(function*() {
      const resolver = resolverOf({ "name.example.com": [answers] })
      expect(yield* judged("https://name.example.com/a.png", resolver)).toEqual(expected)
      expect(resolver.asked).toEqual(["name.example.com"])
    }))

  it.effect("is asked for once, in ASCII and without its last dot", () =>
    Effect.gen(function*() {
      const resolver = resolverOf({ "xn--bcher-kva.example.com": [["8.8.8.8"]] })
      expect(yield* judged("https://BÜCHER.example.com./", resolver)).toEqual(["8.8.8.8"])
      expect(resolver.asked).toEqual(["xn--bcher-kva.example.com"])
    }))

  it.effect("is not asked for where the URL is refused, or is an address", () =>
    Effect.gen(function*() {
      const resolver = resolverOf({})
      for (const { url } of refusedUrls) expect(yield* judged(url, resolver)).toBeTypeOf("string")
      expect(yield* judged("http://8.8.8.8/", resolver)).toEqual(["8.8.8.8"])
      expect(yield* judged("http://[2606:4700::1]/", resolver)).toEqual(["2606:4700::1"])
      expect(resolver.asked).toEqual([])
    }))

  it.effect("that nobody knows is refused", () =>
    Effect.gen(function*() {
      expect(yield* judged("http://nobody.example.com/", resolverOf({}))).toBe("lookup")
    }))

  it.effect("is judged anew each time: what was public and is private now is refused", () =>
    Effect.gen(function*() {
      const resolver = resolverOf({ "moving.example.com": [["8.8.8.8"], ["10.0.0.1"], ["8.8.4.4"]] })
      const guard = yield* Effect.provide(UrlGuard, Layer.provide(layer(), resolver.layer))
      const first = yield* guard.judge("http://moving.example.com/")
      expect(first.addresses).toEqual(["8.8.8.8"])
      expect((yield* Effect.flip(guard.judge("http://moving.example.com/"))).rule).toBe("address")
      expect((yield* guard.judge("http://moving.example.com/")).addresses).toEqual(["8.8.4.4"])
      // What was judged first keeps its own answer.
      expect(first.addresses).toEqual(["8.8.8.8"])
    }))

  it.effect("keeps what the lookup found out of the words for the caller", () =>
    Effect.gen(function*() {
      const resolver = resolverOf({ "name.example.com": [["10.1.2.3"]] })
      const guard = yield* Effect.provide(UrlGuard, Layer.provide(layer(), resolver.layer))
      const refused = yield* Effect.flip(guard.judge("http://name.example.com/"))
      expect(refused.detail).toContain("10.1.2.3")
      expect(refused.message).not.toContain("10.1.2.3")
    }))
})

describe("a safe URL", () => {
  it.effect("is only what the guard made, and cannot be changed", () =>
    Effect.gen(function*() {
      const resolver = resolverOf({ "name.example.com": [["8.8.8.8"]] })
      const guard = yield* Effect.provide(UrlGuard, Layer.provide(layer(), resolver.layer))
      const safe = yield* guard.judge("http://name.example.com/")
      expect(isSafeUrl(safe)).toBe(true)
      expect(isSafeUrl({ ...safe })).toBe(false)
      expect(isSafeUrl(Object.create(safe))).toBe(false)
      expect(isSafeUrl(undefined)).toBe(false)
      expect(Reflect.set(safe, "addresses", ["10.0.0.1"])).toBe(false)
      expect(Reflect.set(safe.addresses, 0, "10.0.0.1")).toBe(false)
    }))
})

describe("a redirect", () => {
  const names = {
    "name.example.com": [["8.8.8.8"], ["10.0.0.1"]],
    "other.example.com": [["1.1.1.1"]],
    "inside.example.com": [["192.168.0.1"]],
    "mixed.example.com": [["1.1.1.1", "127.0.0.1"]]
  }
  const followed = (location: string, from = "https://name.example.com/dir/a?x=1", policy: Partial<UrlPolicy> = {}) =>
    Effect.gen(function*() {
      const guard = yield* Effect.provide(UrlGuard, Layer.provide(layer(policy), resolverOf(names).layer))
      const start = yield* guard.judge(from)
      const result = yield* Effect.result(guard.follow(start, location))
      return Result.isSuccess(result)
        ? `${result.success.origin}${result.success.path} ${result.success.addresses.join()}`
        : result.failure.rule
    })

  it.effect.each<readonly [string, string]>([
    ["https://other.example.com/b", "https://other.example.com/b 1.1.1.1"],
    ["//other.example.com/b", "https://other.example.com/b 1.1.1.1"],
    ["https://1.1.1.1/b", "https://1.1.1.1/b 1.1.1.1"],
    ["https://inside.example.com/", "address"],
    ["//inside.example.com/", "address"],
    ["https://mixed.example.com/", "address"],
    ["https://nobody.example.com/", "lookup"],
    // The own name has moved between the two.
    ["/b", "address"],
    ["?y=2", "address"],
    ["https://169.254.169.254/latest", "address"],
    ["//169.254.169.254/latest", "address"],
    ["\\\\169.254.169.254\\latest", "address"],
    ["/\\169.254.169.254/latest", "address"],
    ["https://[::1]/", "address"],
    ["https://[::ffff:7f00:1]/", "address"],
    ["https://0x7f.1/", "address"],
    ["https://2130706433/", "address"],
    // A relative path, as browsers read it.
    ["https:127.0.0.1", "address"],
    ["https://localhost/", "local"],
    ["//localhost", "local"],
    ["https://metadata.google.internal/", "local"],
    ["https://user@other.example.com/", "credentials"],
    ["//user:pass@other.example.com/", "credentials"],
    ["https://other.example.com:8443/", "port"],
    ["http://other.example.com/", "downgrade"],
    ["http://127.0.0.1/", "downgrade"],
    ["ftp://other.example.com/", "scheme"],
    ["file:///etc/passwd", "scheme"],
    ["data:image/png;base64,AAAA", "scheme"],
    ["javascript:alert(1)", "scheme"],
    ["https://", "form"],
    ["https://[", "form"],
    [`/${"a".repeat(3000)}`, "length"]
  ])("to %s is %s", ([location, expected]) =>
    Effect.gen(function*() {
      expect(yield* followed(location)).toBe(expected)
    }))

  it.effect("from http to https is followed", () =>
    Effect.gen(function*() {
      expect(yield* followed("https://other.example.com/", "http://name.example.com/")).toBe(
        "https://other.example.com/ 1.1.1.1"
      )
    }))

  it.effect("stays within the list of hosts", () =>
    Effect.gen(function*() {
      const hosts = ["name.example.com"]
      expect(yield* followed("https://other.example.com/", "https://name.example.com/", { hosts })).toBe("unlisted")
    }))
})
