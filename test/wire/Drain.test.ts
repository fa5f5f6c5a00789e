import { describe, expect, it } from "@effect/vitest"
import { call, readAnswer } from "../faults/Client.ts"
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
