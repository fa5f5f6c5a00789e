import { afterEach, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, isClosed, start, url } from "./Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-serve-"))
const children: Array<Child> = []

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.process.kill("SIGKILL")
    await child.ended
  }
})

const stub = (drain: { readonly notReady: string; readonly streams: string }, workers = 1): Child => {
  const file = join(folder, `${children.length}-${workers}-${drain.notReady}-${drain.streams}.json`)
  writeFileSync(file, JSON.stringify({ server: { port: 0, workers, drain } }))
  const child = start("node", ["test/cli/StubApplication.ts", "--config", file])
  children.push(child)
  return child
}

const pids = async (address: string): Promise<ReadonlyArray<number>> => {
  const replies = await (await fetch(`${address}/pids`)).json() as ReadonlyArray<{ readonly body: number }>
  return replies.map((reply) => reply.body)
}

describe("a server that is told to stop", () => {
  it("exits with 0 and leaves nothing listening", async () => {
    const child = stub({ notReady: "10ms", streams: "1s" })
    const address = await url(child)
    child.process.kill("SIGTERM")
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(child.output()).toMatch(/stopped\b/)
    expect(await isClosed(address)).toBe(true)
  })

  it("is not ready at once, but still serves while it is being taken out of rotation", async () => {
    const child = stub({ notReady: "60s", streams: "1s" })
    const address = await url(child)
    expect((await fetch(`${address}/api/v1/health/ready`)).status).toBe(200)
    child.process.kill("SIGINT")
    await child.says(/draining: serving for 60 s more; a second signal stops at once/)
    const ready = await fetch(`${address}/api/v1/health/ready`)
    expect(ready.status).toBe(503)
    expect(ready.headers.get("connection")).toBe("close")
    expect(await pids(address)).toEqual([child.process.pid])
  })

  it("lets an open stream run to its end", async () => {
    const child = stub({ notReady: "10ms", streams: "60s" })
    const response = await fetch(`${await url(child)}/stream`)
    child.process.kill("SIGTERM")
    expect(await response.text()).toBe("first\nlast\n")
    expect((await child.ended).code).toBe(0)
  })

  it("cuts a stream at the limit and still exits with 0", async () => {
    const child = stub({ notReady: "10ms", streams: "100ms" })
    const response = await fetch(`${await url(child)}/endless`)
    child.process.kill("SIGTERM")
    await expect(response.text()).rejects.toThrow(/terminated|failed/)
    expect((await child.ended).code).toBe(0)
  })

  for (const [signal, expected] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    it(`does not wait when it is told twice, and says so: ${signal}`, async () => {
      const child = stub({ notReady: "60s", streams: "60s" })
      await url(child)
      child.process.kill("SIGTERM")
      await child.says(/draining: serving for 60 s more; a second signal stops at once/)
      // An echo of the first signal is no second one, so tell it until it believes.
      const again = setInterval(() => child.process.kill(signal), 50)
      const { code } = await child.ended
      clearInterval(again)
      expect(code).toBe(expected)
      expect(child.output().match(new RegExp(`a second ${signal}: stopped at once`, "g"))?.length).toBe(1)
    })
  }
})

describe("a port that is taken", () => {
  it("is said in one line with what to do, and exits with 1", async () => {
    const first = stub({ notReady: "10ms", streams: "1s" })
    const port = new URL(await url(first)).port
    const second = start("node", ["test/cli/StubApplication.ts", "--port", port])
    children.push(second)
    expect((await second.ended).code).toBe(1)
    expect(second.output()).toBe(
      `port ${port} on 127.0.0.1 is taken: stop what listens there, or choose another with --port\n`
    )
  })
})

// Six starts of a process follow each other in the longest of these.
describe("workers", { timeout: 60_000 }, () => {
  it("answer as one fleet, and drain to exit code 0 when the primary is told to stop", async () => {
    const child = stub({ notReady: "10ms", streams: "1s" }, 2)
    const address = await url(child)
    const found = await pids(address)
    expect(new Set(found).size).toBe(2)
    expect(found).not.toContain(child.process.pid)
    child.process.kill("SIGTERM")
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(await isClosed(address)).toBe(true)
  })

  it("are replaced when they die, with a warning", async () => {
    const child = stub({ notReady: "10ms", streams: "1s" }, 2)
    const address = await url(child)
    await expect(fetch(`${address}/die`)).rejects.toThrow(/terminated|failed/)
    await child.says(/a worker died and is replaced/)
    await child.says(/a worker serves in the place of the dead one/)
    expect(new Set(await pids(address)).size).toBe(2)
    child.process.kill("SIGTERM")
    expect((await child.ended).code).toBe(0)
  })

  it("that die do not take along a connection which they never took: another answers it", async () => {
    const child = stub({ notReady: "10ms", streams: "1s" }, 2)
    const address = await url(child)
    const [victim = 0] = await pids(address)
    // It is handed one connection that it cannot take; everything else goes to the other.
    process.kill(victim, "SIGSTOP")
    let answered = 0
    const { promise: othersAnswered, resolve } = Promise.withResolvers<void>()
    const asked = Array.from({ length: 6 }, async () => {
      const { status } = await fetch(`${address}/api/v1/health/ready`, { headers: { connection: "close" } })
      answered += 1
      if (answered === 5) resolve()
      return status
    })
    await othersAnswered
    process.kill(victim, "SIGKILL")
    expect(await Promise.all(asked)).toEqual([200, 200, 200, 200, 200, 200])
  })

  it("are replaced one by one on SIGHUP without a moment of refusal", async () => {
    const child = stub({ notReady: "500ms", streams: "1s" }, 2)
    const address = await url(child)
    const before = await pids(address)
    child.process.kill("SIGHUP")
    const rolling = { isOver: false }
    void child.says(/every worker has been replaced/).then(() => (rolling.isOver = true))
    // Whoever is asked meanwhile, somebody answers.
    while (!rolling.isOver) await pids(address)
    const after = await pids(address)
    expect(after).toHaveLength(2)
    expect(after.filter((pid) => before.includes(pid))).toEqual([])
    child.process.kill("SIGTERM")
    expect((await child.ended).code).toBe(0)
  })

  it("that never come up end the primary with their code", async () => {
    const first = stub({ notReady: "10ms", streams: "1s" })
    const port = new URL(await url(first)).port
    const second = start("node", ["test/cli/StubApplication.ts", "--port", port, "--workers", "2"])
    children.push(second)
    expect((await second.ended).code).toBe(1)
    expect(second.output()).toContain(`port ${port} on 127.0.0.1 is taken`)
  })
})
