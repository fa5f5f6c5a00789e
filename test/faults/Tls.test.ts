/** Upstreams that TLS or another HTTP keeps from us, on loopback: certificates are no passing fault, and HTTP/1.1 is all that is spoken. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { createSecureServer, createServer as createHttp2 } from "node:http2"
import { type AddressInfo, connect, type Server } from "node:net"
import { createServer as createTls } from "node:tls"
import * as Wire from "../wire/Gateway.ts"
import { answer } from "./Answer.ts"
import * as Certificates from "./Certificates.ts"
import { call, readAnswer } from "./Client.ts"
import { limits } from "./scenarios.ts"
import { start, type Upstream } from "./Upstream.ts"

const certificates = Certificates.make()

/** What a test connects to, and how often that was done. */
interface Counted {
  readonly url: string
  readonly connections: () => number
  readonly close: () => void
}

const count = (server: Server, scheme: "http" | "https"): Promise<Counted> => {
  let connections = 0
  server.on("connection", (socket) => {
    connections += 1
    socket.on("error", () => undefined)
  })
  server.on("tlsClientError", () => undefined)
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      // A server on a port has an address with a port.
      const { port } = server.address() as AddressInfo
      const url = `${scheme}://127.0.0.1:${port}/v1`
      resolve({ url, connections: () => connections, close: () => server.close() })
    })
  })
}

/** The misbehaving upstream behind TLS. */
const terminating = (certificate: Certificates.Certificate, upstream: Upstream): Server =>
  createTls(certificate, (secure) => {
    const plain = connect(Number(new URL(upstream.url).port), "127.0.0.1")
    for (const [one, other] of [[secure, plain], [plain, secure]] as const) {
      one.on("error", () => other.destroy()).on("close", () => other.destroy()).pipe(other)
    }
  })

let upstream: Upstream
let fallback: Upstream
let gateway: Wire.Gateway
/** What each upstream that knows both was spoken to in. */
const spoken: Array<string> = []
let offered: ReadonlyArray<string> = []
const servers = new Map<string, Counted>()

const startServers = async ({ expired, good, selfSigned, wrongHost }: Certificates.Certificates) => {
  const both = createSecureServer({ ...good, allowHTTP1: true }, (request, response) => {
    spoken.push(request.httpVersion)
    response.writeHead(503, { "content-type": "application/json" }).end("{}")
  })
  const asked = createTls({
    ...good,
    ALPNCallback: ({ protocols }) => {
      offered = protocols
      return undefined
    }
  })
  const made: ReadonlyArray<readonly [string, Server, "http" | "https"]> = [
    ["good", terminating(good, upstream), "https"],
    ["expired", terminating(expired, upstream), "https"],
    ["wrong-host", terminating(wrongHost, upstream), "https"],
    ["self-signed", terminating(selfSigned, upstream), "https"],
    ["h2-only", createSecureServer({ ...good, allowHTTP1: false }), "https"],
    ["h2-plain", createHttp2(), "http"],
    ["both", both, "https"],
    ["asked", asked, "https"]
  ]
  for (const [name, server, scheme] of made) servers.set(name, await count(server, scheme))
}

beforeAll(async () => {
  if (certificates === undefined) return
  ;[upstream, fallback] = await Promise.all([start(), start({ name: "fallback" })])
  await startServers(certificates)
  const provider = (baseUrl: string) => ({ kind: "openai-compatible", baseUrl, apiKey: "none" })
  gateway = await Wire.start(
    {
      providers: {
        fallback: provider(fallback.url),
        ...Object.fromEntries([...servers].map(([name, { url }]) => [name, provider(url)]))
      },
      models: Object.fromEntries([...servers.keys()].map((name) => [`alias-${name}`, {
        strategy: "ordered",
        targets: [{ provider: name, model: `ok#${name}` }, { provider: "fallback", model: `ok#${name}` }]
      }])),
      defaults: limits
    },
    undefined,
    { NODE_EXTRA_CA_CERTS: certificates.authority }
  )
})

afterAll(async () => {
  await gateway?.stop()
  for (const { close } of servers.values()) close()
  await Promise.all([upstream, fallback].map((each) => each?.close()))
  certificates?.remove()
})

/** What a caller sees, and how often the upstream was connected to for it. */
const ask = async (name: string, model = `alias-${name}`) => {
  const before = servers.get(name)?.connections() ?? 0
  const seen = await call(gateway.url, { model, stream: true })
  const { content, errors } = readAnswer(seen)
  return {
    status: seen.status,
    content,
    errors,
    provider: seen.headers["x-breakwater-provider"],
    attempts: seen.headers["x-breakwater-attempts"],
    connections: (servers.get(name)?.connections() ?? 0) - before
  }
}

const breakerOf = async (target: string) =>
  (await gateway.monitoring()).targets.find((each) => each.target === target)?.breaker

describe.skipIf(certificates === undefined)("an upstream behind TLS", () => {
  it("answers where its certificate is in order", async () => {
    expect(await ask("good")).toMatchObject({ content: answer, provider: "good", attempts: "1", connections: 1 })
  })

  it.for(
    [
      ["expired", "CERT_HAS_EXPIRED"],
      ["wrong-host", "ERR_TLS_CERT_ALTNAME_INVALID"],
      ["self-signed", "DEPTH_ZERO_SELF_SIGNED_CERT"]
    ] as const
  )("whose certificate is %s is connected to once, fails over, and the operator is told (%s)", async ([name, code]) => {
    expect(await ask(name)).toMatchObject({ content: answer, provider: "fallback", attempts: "2", connections: 1 })
    expect(await breakerOf(`${name}/ok#${name}`)).toMatchObject({ callsInWindow: 1, failureRate: 1 })
    const alerts = () =>
      gateway.output().split("\n").filter((line) => line.includes("breakwater.upstream.certificate"))
        .filter((line) => line.includes(new URL(servers.get(name)?.url ?? "").origin))
    await gateway.until(() => alerts().length > 0)
    expect(alerts()).toEqual([expect.stringContaining(code)])
    // Once a minute is enough.
    await ask(name)
    expect(alerts().length).toBe(1)
  })

  it("alone is an error that names what is wrong with its certificate, and is not tried again", async () => {
    const seen = await ask("expired", "expired/alone")
    expect(seen).toMatchObject({ status: 502, attempts: "1", connections: 1 })
    expect(seen.errors).toMatchObject([{
      code: "upstream_unreachable",
      message: expect.stringContaining("CERT_HAS_EXPIRED")
    }])
  })
})

describe.skipIf(certificates === undefined)("an upstream that knows HTTP/2", () => {
  it("is offered HTTP/1.1 and nothing else", async () => {
    await ask("asked")
    expect(offered).toEqual(["http/1.1"])
  })

  it("and HTTP/1.1 is spoken to in that, so it has no GOAWAY and no stream to refuse", async () => {
    expect(await ask("both")).toMatchObject({ content: answer, provider: "fallback" })
    expect(new Set(spoken)).toEqual(new Set(["1.1"]))
  })

  it("alone fails over at once, and says so where it is the only one", async () => {
    expect(await ask("h2-only")).toMatchObject({ content: answer, provider: "fallback", attempts: "2", connections: 1 })
    const seen = await ask("h2-only", "h2-only/alone")
    expect(seen).toMatchObject({ status: 502, connections: 1 })
    expect(seen.errors).toMatchObject([{
      code: "upstream_unreachable",
      message: expect.stringContaining("does not speak HTTP/1.1")
    }])
  })

  it("alone and without TLS is one whose answer is no HTTP, and fails over", async () => {
    expect(await ask("h2-plain")).toMatchObject({ content: answer, provider: "fallback" })
    expect((await ask("h2-plain", "h2-plain/alone")).errors).toMatchObject([{ code: "upstream_malformed_answer" }])
  })
})
