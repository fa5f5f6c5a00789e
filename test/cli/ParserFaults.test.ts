import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { connect } from "node:net"
import { envelopeFaults } from "../server/Client.ts"
import { type Gateway, start } from "../wire/Gateway.ts"

let gateway: Gateway
beforeAll(async () => {
  gateway = await start()
})
afterAll(async () => {
  await gateway.stop()
})

/** All that comes back for raw bytes until the other side closes. */
const raw = (bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ""
    const socket = connect(Number(new URL(gateway.origin).port), "127.0.0.1", () => socket.write(bytes))
    socket.setEncoding("utf8").on("data", (chunk) => (text += chunk)).on("error", reject).on(
      "close",
      () => resolve(text)
    )
  })

const chat = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"

const faults: ReadonlyArray<readonly [name: string, bytes: string, status: number, code: string]> = [
  ["a request line that is none", "NONSENSE\r\n\r\n", 400, "malformed_request"],
  ["HTTP/1.1 without a Host", "GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n", 400, "missing_host"],
  ["a chunk whose size is no number", `${chat}transfer-encoding: chunked\r\n\r\nzz\r\n`, 400, "malformed_request"],
  ["headers over 16 kB", `GET / HTTP/1.1\r\nhost: a\r\nx-a: ${"a".repeat(17_000)}\r\n\r\n`, 431, "headers_too_large"],
  ["an expectation of its own", `${chat}expect: weird\r\ncontent-length: 2\r\n\r\n{}`, 417, "expectation_failed"],
  ["CONNECT", "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 405, "method_not_allowed"]
]

describe("what Node's parser refuses", () => {
  for (const [name, bytes, status, code] of faults) {
    it(`${name} is a ${status} in the envelope with a request id, and the connection is closed`, async () => {
      const answer = await raw(bytes)
      const [head = "", body = ""] = answer.split("\r\n\r\n")
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      expect(head).toMatch(/^x-request-id: \S+$/im)
      expect(head).toMatch(/^connection: close$/im)
      expect(envelopeFaults(body)).toEqual([])
      expect(JSON.parse(body).error.code).toBe(code)
    })
  }

  it("each is one line of the log and counts as a 4xx of no route", async () => {
    const counted = async () =>
      Number(
        /breakwater_requests_total\{route="_other",status="4xx"\} (\d+)/.exec(
          await (await fetch(`${gateway.origin}/metrics`)).text()
        )?.[1] ?? 0
      )
    const before = await counted()
    for (const [, bytes, status, code] of faults) {
      const [head = ""] = (await raw(bytes)).split("\r\n\r\n")
      const id = /^x-request-id: (\S+)$/im.exec(head)?.[1] ?? ""
      await gateway.says(new RegExp(`"breakwater.request.id":"${id}".*\n`))
      const lines = gateway.output().split("\n").filter((line) => line.includes(id))
      expect(lines).toHaveLength(1)
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({
        "event.name": "breakwater.request.completed",
        "http.response.status_code": status,
        "error.type": code === "missing_host" ? "InvalidRequest" : code
      })
    }
    expect(await counted()).toBe(before + faults.filter(([, , , code]) => code !== "missing_host").length)
  })

  it("a caller's own request id is told back where it could be read", async () => {
    expect(await raw(`${chat}expect: weird\r\nx-request-id: mine\r\ncontent-length: 0\r\n\r\n`))
      .toMatch(/^x-request-id: mine$/m)
  })

  it("a body that breaks HTTP is refused under the id of its request", async () => {
    const answer = await raw(`${chat}x-request-id: torn\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*^x-request-id: torn$/m)
    await gateway.says(/"POST _other 400".*"breakwater.request.id":"torn".*"error.type":"malformed_request"/)
  })

  it("HTTP/1.0 without a Host is served", async () => {
    expect(await raw("GET /v1/models HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /)
  })

  it("callers who reset their connection in the middle of nonsense leave the server standing", async () => {
    for (let count = 0; count < 20; count++) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(new URL(gateway.origin).port), "127.0.0.1", () => {
          socket.write("NONSENSE\r\n\r\n", () => socket.resetAndDestroy())
        }).on("error", () => {}).on("close", () => resolve())
      })
    }
    expect(gateway.isRunning()).toBe(true)
    expect((await fetch(`${gateway.origin}/v1/models`)).status).toBe(200)
  })
})
