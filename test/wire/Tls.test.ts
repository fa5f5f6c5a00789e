import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { generateKeyPairSync } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { request } from "node:https"
import { connect as connectTcp } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { connect, type ConnectionOptions } from "node:tls"
import * as Child from "../cli/Child.ts"
import { selfSigned } from "../faults/Certificates.ts"
import * as Gateway from "./Gateway.ts"

/** Processes are started, which takes its time on a busy machine. */
const timeout = 60_000

const made = selfSigned("localhost", "DNS:localhost,IP:127.0.0.1")
const other = selfSigned("other.example")
const ca = made?.cert ?? ""
const folder = mkdtempSync(join(tmpdir(), "breakwater-door-"))
const file = (name: string, content: string | undefined): string => {
  writeFileSync(join(folder, name), content ?? "")
  return join(folder, name)
}
const cert = file("cert.pem", made?.cert)
const key = file("key.pem", made?.key)

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
/** Of another kind than the certificate's, so that OpenSSL would take the two. */
const rsaKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
const lockedKey = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }).toString()

const ask = async (origin: string, path: string, body?: unknown) => {
  const headers = { "content-type": "application/json", connection: "close" }
  const sent = request(`${origin}${path}`, { ca, method: body === undefined ? "GET" : "POST", headers })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = await once(sent, "response")
  return { status: response.statusCode, headers: response.headers, text: await text(response) }
}

const hello = (stream: boolean) => ({
  model: "simulated/sim-fast",
  messages: [{ role: "user", content: "hi" }],
  stream
})

/** What version was agreed on, or the code of what went wrong. */
const agreed = (origin: string, options: ConnectionOptions): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect({ port: Number(new URL(origin).port), host: "127.0.0.1", ca, ...options })
    socket.once("secureConnect", () => {
      resolve(socket.getProtocol() ?? "")
      socket.destroy()
    })
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""))
  })

afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(made === undefined)("a door with a certificate (skipped where there is no openssl)", () => {
  let gateway: Gateway.Gateway
  beforeAll(async () => {
    gateway = await Gateway.start({ server: { tls: { cert, key } } })
  })
  afterAll(() => gateway?.stop())

  it("says so in its banner, and serves answers and streams over TLS", async () => {
    expect(gateway.origin).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    for (const stream of [false, true]) {
      const answer = await ask(gateway.origin, "/v1/chat/completions", hello(stream))
      expect([answer.status, answer.headers["strict-transport-security"]]).toEqual([200, "max-age=31536000"])
      expect(answer.text).toContain(stream ? "data: [DONE]" : "chat.completion")
    }
  })

  it("is https in what is counted", async () => {
    await ask(gateway.origin, "/v1/models")
    const { text } = await ask(gateway.origin, "/metrics")
    expect(text).toMatch(/^http_server_request_duration_seconds_count\{.*url_scheme="https"/m)
    expect(text).not.toContain("url_scheme=\"http\"")
  })

  it("tells browsers to come by TLS on errors and pages, too", async () => {
    for (const path of ["/nothing", "/dashboard", "/api/v1/health/live"]) {
      expect((await ask(gateway.origin, path)).headers["strict-transport-security"]).toBe("max-age=31536000")
    }
  })

  it("speaks TLS 1.2 and 1.3 and nothing older", async () => {
    const old = { minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" } as const
    expect(await agreed(gateway.origin, {})).toBe("TLSv1.3")
    expect(await agreed(gateway.origin, { ...old, maxVersion: "TLSv1.2" })).toBe("TLSv1.2")
    expect(await agreed(gateway.origin, { ...old, maxVersion: "TLSv1.1" })).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")
  })

  it("has no answer to plain HTTP", async () => {
    const socket = connectTcp(Number(new URL(gateway.origin).port), "127.0.0.1")
    socket.on("error", () => undefined)
    socket.write("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
    let told = ""
    socket.on("data", (bytes) => told += String(bytes))
    await once(socket, "close")
    expect(told).not.toContain("200 OK")
    expect((await ask(gateway.origin, "/v1/models")).status).toBe(200)
  })

  it("is told by the commands for its certificate, where they do not know the authority", { timeout }, async () => {
    const child = Child.start("node", [join(Child.root, "src/main.ts"), "breakers", "--url", gateway.origin])
    expect((await child.ended).code).toBe(1)
    expect(child.output()).toBe(
      `the certificate of ${gateway.origin} is not accepted: DEPTH_ZERO_SELF_SIGNED_CERT; name the authority that vouches `
        + "for it in NODE_EXTRA_CA_CERTS\n"
    )
  })

  it("closes on who does not finish the handshake in time, and says nothing of it", { timeout }, async () => {
    const brisk = await Gateway.start({ server: { tls: { cert, key }, timeouts: { headers: "200ms" } } })
    // The head of a ClientHello of 512 bytes, and no more.
    const begun = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])
    const closed = [Buffer.alloc(0), begun].map(async (bytes) => {
      const socket = connectTcp(Number(new URL(brisk.origin).port), "127.0.0.1")
      socket.on("error", () => undefined).resume().write(bytes)
      await once(socket, "close")
    })
    await Promise.all(closed)
    expect((await ask(brisk.origin, "/v1/models")).status).toBe(200)
    await brisk.says(/request\.completed/)
    expect(await brisk.stop()).toBe(0)
    expect(brisk.output()).not.toContain("malformed_request")
  })

  it("is left in order, also with a connection on which nothing was asked", { timeout }, async () => {
    const leaving = await Gateway.start({
      server: { tls: { cert, key }, drain: { notReady: "10ms", streams: "60s" } }
    })
    const socket = connect({ port: Number(new URL(leaving.origin).port), host: "127.0.0.1", ca })
    await once(socket, "secureConnect")
    const closed = once(socket.resume(), "close")
    expect(await leaving.stop()).toBe(0)
    await closed
  })

  it(
    "is the same with workers, which stay as they are where SIGHUP finds a pair that is none",
    { timeout },
    async () => {
      const pair = { cert: file("fleet.pem", made?.cert), key: file("fleet.key", made?.key) }
      const fleet = await Gateway.start({ server: { tls: pair, workers: 2 } })
      expect((await ask(fleet.origin, "/v1/chat/completions", hello(false))).status).toBe(200)
      file("fleet.key", other?.key)
      fleet.signal("SIGHUP")
      await fleet.says(/SIGHUP: the workers stay as they are\n[^]*is not the key of the certificate/)
      expect((await ask(fleet.origin, "/v1/models")).status).toBe(200)
      file("fleet.key", made?.key)
      fleet.signal("SIGHUP")
      await fleet.says(/every worker has been replaced/)
      expect(fleet.output()).not.toContain("a worker died")
      expect(await fleet.stop()).toBe(0)
    }
  )
})

describe("a door without one", () => {
  it("tells browsers nothing of TLS", { timeout }, async () => {
    const gateway = await Gateway.start()
    const response = await fetch(`${gateway.url}/models`)
    await response.text()
    expect(response.headers.get("strict-transport-security")).toBeNull()
    await gateway.stop()
  })
})

describe("a start", () => {
  const run = async (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
    const child = Child.start("node", [join(Child.root, "src/main.ts"), ...args], { cwd: folder, env })
    // One that does start is a failure, and must not stay.
    void child.says(/listening on/).then(() => child.process.kill("SIGKILL"), () => undefined)
    return { code: (await child.ended).code, output: child.output() }
  }
  const config = (tls: unknown) => file("tls.json", JSON.stringify({ server: { port: 0, tls } }))

  it(
    "is refused with a certificate that cannot be read or used, and so is the check",
    { timeout },
    async () => {
      const wrong = [
        [
          { cert: join(folder, "nowhere.pem"), key },
          /server\.tls\.cert: .*nowhere\.pem.*\n\s+cannot be read: there is no such file/
        ],
        [{ cert, key: file("empty.pem", "") }, /server\.tls\n\s+the two files are no certificate with its key in PEM/],
        [
          { cert, key: file("other.pem", other?.key) },
          /server\.tls\.key: .*other\.pem\n\s+is not the key of the certificate/
        ],
        [
          { cert, key: file("mixed.pem", rsaKey) },
          /server\.tls\.key: .*mixed\.pem\n\s+is not the key of the certificate/
        ],
        [
          { cert, key: file("locked.pem", lockedKey) },
          /server\.tls\.key: .*locked\.pem\n\s+is encrypted with a passphrase/
        ],
        [{ cert }, /server\.tls\.key/]
      ] as const
      for (const [tls, words] of wrong) {
        for (const args of [["--config", config(tls)], ["check", config(tls)]]) {
          const { code, output } = await run(args)
          expect([args[0], code, output]).toEqual([args[0], 1, expect.stringMatching(words)])
          expect(output).not.toContain("PRIVATE KEY")
        }
      }
    }
  )

  it("is refused where certificates of upstreams would not be looked at", { timeout }, async () => {
    for (const args of [[], ["check"]]) {
      const { code, output } = await run(args, { NODE_TLS_REJECT_UNAUTHORIZED: "0", BREAKWATER_PORT: "0" })
      expect(code).toBe(1)
      expect(output).toMatch(/NODE_TLS_REJECT_UNAUTHORIZED: 0\n\s+no certificate of any provider would be looked at/)
    }
  })
})
