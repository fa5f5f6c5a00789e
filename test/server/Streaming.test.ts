import { afterAll, describe, expect, it } from "@effect/vitest"
import { StreamInterrupted } from "../../src/domain/GatewayError.ts"
import { envelopeFaults, errorOf, eventsOf, hello, post } from "./Client.ts"
import { completionText, frame, makeFake, makeServer } from "./Fake.ts"

describe("answers", () => {
  const fake = makeFake()
  const server = makeServer(fake)
  afterAll(server.dispose)
  const ask = (stream: boolean, headers: Record<string, string> = {}) => post(server, { ...hello, stream }, headers)

  it("a whole answer is the upstream's text as it stands", async () => {
    const reply = await ask(false)
    expect(reply.status).toBe(200)
    expect(reply.text).toBe(completionText)
    expect(reply.headers.get("content-type")).toBe("application/json")
  })

  it("every answer names its provider, model, attempts and id", async () => {
    for (const stream of [false, true]) {
      const { headers } = await ask(stream, { "x-request-id": "caller.id-1" })
      expect(headers.get("x-breakwater-provider")).toBe("openai")
      expect(headers.get("x-breakwater-model")).toBe("upstream-model")
      expect(headers.get("x-breakwater-attempts")).toBe("1")
      expect(headers.get("x-request-id")).toBe("caller.id-1")
      expect(headers.get("x-should-retry")).toBeNull()
    }
  })

  it("an id that is not sane is replaced", async () => {
    const { headers } = await ask(false, { "x-request-id": "a b" })
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
  })

  it("a stream has the headers that keep proxies from holding it", async () => {
    const { headers } = await ask(true)
    expect(headers.get("content-type")).toBe("text/event-stream; charset=utf-8")
    expect(headers.get("cache-control")).toBe("no-cache")
    expect(headers.get("x-accel-buffering")).toBe("no")
  })

  it("a clean stream ends with [DONE], and frames for us alone are not sent", async () => {
    const events = eventsOf(await ask(true))
    expect(events.length).toBe(3)
    expect(events.at(-1)).toBe("[DONE]")
    expect(events.slice(0, 2).map((event) => JSON.parse(event).choices[0].delta.content)).toEqual(["Hel", "lo"])
  })

  it("a batch with no frame to send is passed over", async () => {
    fake.frames = [[frame("a")], [frame("", true)], [frame("b")]]
    const events = eventsOf(await ask(true))
    expect(events.length).toBe(3)
  })

  it("a failure after the first frame is one error event and no [DONE]", async () => {
    fake.ending = new StreamInterrupted({ message: "the upstream cut the stream" })
    const reply = await ask(true)
    fake.ending = "clean"
    const events = eventsOf(reply)
    expect(reply.status).toBe(200)
    expect(reply.text).not.toContain("[DONE]")
    expect(envelopeFaults(events.at(-1) ?? "")).toEqual([])
    expect(JSON.parse(events.at(-1) ?? "").error.code).toBe("stream_interrupted")
    expect(events.filter((event) => event.includes("\"error\"")).length).toBe(1)
  })

  it("the scope of a stream is closed with its last byte", async () => {
    const before = fake.closed
    await ask(true)
    expect(fake.closed).toBe(before + 1)
  })

  it("the caller's bound reaches the flow", async () => {
    await ask(false, { "x-request-timeout-ms": "1500" })
    expect(fake.asked.at(-1)?.timeoutMs).toBe(1500)
  })

  it("a bound that is no positive whole number of milliseconds is a 400 that says what is", async () => {
    const before = fake.asked.length
    for (const bound of ["1s", "soon", "0", "-5", "1.5", "1e3", "", "1000000000"]) {
      const reply = await ask(bound.length % 2 === 0, { "x-request-timeout-ms": bound })
      const { code, message, param } = errorOf(reply)
      expect([bound, reply.status, param, code]).toEqual([bound, 400, "x-request-timeout-ms", "invalid_timeout"])
      expect(message).toContain("whole number of milliseconds from 1 to 999999999")
    }
    expect(fake.asked.length).toBe(before)
  })

  it("members that nobody documents reach the flow", async () => {
    await post(server, {
      ...hello,
      top_k: 5,
      messages: [{ role: "user", content: [{ type: "video_url", video_url: {} }] }]
    })
    expect(fake.asked.at(-1)?.request).toMatchObject({ top_k: 5, messages: [{ content: [{ video_url: {} }] }] })
    expect(fake.asked.at(-1)?.source.members.has("top_k")).toBe(true)
  })

  it("while draining an answer closes its connection", async () => {
    fake.phase = "draining"
    expect((await ask(false)).headers.get("connection")).toBe("close")
    expect((await ask(true)).headers.get("connection")).toBe("close")
    fake.phase = "ready"
    expect((await ask(false)).headers.get("connection")).toBeNull()
  })
})
