import { afterEach, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Child from "../cli/Child.ts"
import { call, readAnswer } from "../faults/Client.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-start-"))
const children: Array<Child.Child> = []

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.process.exitCode === null) process.kill(-(child.process.pid ?? 0), "SIGKILL")
    await child.ended
  }
  rmSync(folder, { recursive: true, force: true })
})

describe("npm start", () => {
  it("serves without a key, and stops with exit code 0 on SIGTERM, leaving nothing behind", async () => {
    const file = join(folder, "breakwater.json")
    writeFileSync(file, JSON.stringify({ server: { port: 0, drain: { notReady: "1ms", streams: "1s" } } }))
    const child = Child.start("npm", ["start", "--", "--config", file], { detached: true })
    children.push(child)
    const address = await Child.url(child)
    const seen = await call(`${address}/v1`, { model: "sim-fast", stream: true })
    expect(readAnswer(seen)).toMatchObject({ finishReasons: ["stop"], dones: 1 })
    child.process.kill("SIGTERM")
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(await Child.isClosed(address)).toBe(true)
  })
})
