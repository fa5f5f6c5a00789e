import { afterAll, describe, expect, it } from "@effect/vitest"
import { Redacted } from "effect"
import { createHash } from "node:crypto"
import { gzipSync } from "node:zlib"
import { ask } from "../server/Client.ts"
import { makeFake, makeServer } from "../server/Fake.ts"

describe("the page", () => {
  const server = makeServer(makeFake())
  afterAll(server.dispose)
  const page = () => ask(server, "/dashboard")
  const inside = (html: string, tag: string) => new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`).exec(html)?.[1] ?? ""

  it("is one document below 60 kB gzipped", async () => {
    const { headers, text } = await page()
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8")
    expect(gzipSync(text).length).toBeLessThan(60_000)
    expect(text).not.toMatch(/\/\* (?:style|script) \*\//)
  })

  it("loads nothing from anywhere, and has no markup that would run a script or set a style", async () => {
    const { text } = await page()
    expect(text).not.toMatch(/(?:src|href)="(?!#|data:)/)
    expect(text).not.toMatch(/https?:\/\/(?!www\.w3\.org)/)
    expect(text).not.toMatch(/\s(?:on\w+|style)=/)
    expect(inside(text, "script")).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/
    )
  })

  it("has a policy that names its own style and script by digest and allows no other", async () => {
    const { headers, text } = await page()
    const digest = (tag: string) => createHash("sha256").update(inside(text, tag)).digest("base64")
    const policy = headers.get("content-security-policy") ?? ""
    expect(policy).toContain(`script-src 'sha256-${digest("script")}';`)
    expect(policy).toContain(`style-src 'sha256-${digest("style")}';`)
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain("unsafe")
    expect(headers.get("x-content-type-options")).toBe("nosniff")
    expect(headers.get("cache-control")).toBe("no-store")
    expect(headers.get("referrer-policy")).toBe("no-referrer")
  })

  it("is a route of its own, for GET only", async () => {
    expect((await ask(server, "/dashboard/")).status).toBe(200)
    const { headers, status } = await ask(server, "/dashboard", { method: "POST" })
    expect([status, headers.get("allow")]).toEqual([405, "GET, HEAD"])
  })
})

describe("the page of a gateway with an admin key", () => {
  const server = makeServer(makeFake(), { adminKey: Redacted.make("admin") })
  afterAll(server.dispose)

  it("asks a browser for the key and is shown to who has it", async () => {
    const refused = await ask(server, "/dashboard")
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([
      401,
      "Basic realm=\"breakwater\", charset=\"UTF-8\""
    ])
    const authorization = `Basic ${Buffer.from("anybody:admin").toString("base64")}`
    expect((await ask(server, "/dashboard", { headers: { authorization } })).status).toBe(200)
  })
})
