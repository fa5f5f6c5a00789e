import { describe, expect, it } from "@effect/vitest"
import { call, readAnswer } from "../faults/Client.ts"
import { envelopeFaults } from "../server/Client.ts"
import * as Gateway from "./Gateway.ts"

describe("SIGTERM", () => {
  it("lets a hundred open streams run to their end, then exits with 0", async () => {
    const gateway = await Gateway.start({ server: { drain: { notReady: "100ms", streams: "10s" } } })
    let open = 0
    const { promise: allOpen, resolve } = Promise.withResolvers<void>()
    const streams = Array.from({ length: 100 }, () => {
      let isOpen = false
      return call(gateway.url, {
        model: "sim",
        stream: true,
        onPiece: () => {
          if (isOpen) return
          isOpen = true
          open += 1
          if (open === 100) resolve()
        }
      })
    })
    await allOpen
    const stopped = gateway.stop()
    const answers = (await Promise.all(streams)).map((seen) => ({ clean: seen.clean, ...readAnswer(seen) }))
    const contents = new Set(answers.map(({ content }) => content))
    expect(contents.size).toBe(1)
    for (const answer of answers) expect(answer).toMatchObject({ clean: true, finishReasons: ["stop"], dones: 1 })
    expect(await stopped).toBe(0)
  })

  it("ends a stream that outlasts the drain with one error event, so that it cannot pass for a whole one", async () => {
    const gateway = await Gateway.start({ server: { drain: { notReady: "1ms", streams: "100ms" } } })
    const { promise: open, resolve } = Promise.withResolvers<void>()
    const stalled = call(gateway.url, { model: "sim-stall", stream: true, onPiece: () => resolve() })
    await open
    const stopped = gateway.stop()
    const seen = await stalled
    expect(readAnswer(seen)).toMatchObject({ finishReasons: [], dones: 0 })
    expect(readAnswer(seen).errors).toMatchObject([{ code: "draining" }])
    expect(seen.clean).toBe(true)
    expect(await stopped).toBe(0)
  })
})

describe("a request that has no answer when the drain is over", () => {
  const ask = (gateway: Gateway.Gateway, stream: boolean, id: string) =>
    fetch(`${gateway.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": id },
      body: JSON.stringify({ model: "sim-silent", stream, messages: [{ role: "user", content: "Hello" }] })
    })

  it("is answered with 503 draining and its request id, whole answer and stream alike, and so says its line", async () => {
    const gateway = await Gateway.start({ server: { drain: { notReady: "1ms", streams: "100ms" } } })
    const asked = [ask(gateway, false, "whole"), ask(gateway, true, "stream")]
    await gateway.until((seen) => Gateway.inFlight(seen) === 2)
    const stopped = gateway.stop()
    for (const answer of await Promise.all(asked)) {
      expect([answer.status, answer.headers.get("connection"), answer.headers.get("retry-after")])
        .toEqual([503, "close", "1"])
      const text = await answer.text()
      expect(JSON.parse(text).error.code).toBe("draining")
      expect(envelopeFaults(text)).toEqual([])
    }
    const ids = (await Promise.all(asked)).map((answer) => answer.headers.get("x-request-id"))
    expect(ids).toEqual(["whole", "stream"])
    expect(await stopped).toBe(0)
    for (const id of ids) {
      const line = gateway.output().split("\n").find((one) => one.includes(`"${id}"`)) ?? ""
      expect(line).toMatch(/"message":"POST \/v1\/chat\/completions 503".*"error.type":"Draining"/)
    }
  })
})
