import { describe, expect, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { globSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { root, start, url } from "../cli/Child.ts"

/** What the example writes to stdout, run as its reader would. */
const run = async (name: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=breakwater:source", `examples/${name}.ts`, ...args],
    { cwd: root }
  )
  return stdout
}

describe("the examples", () => {
  it("quickstart answers, streams and describes an image", async () => {
    const lines = (await run("quickstart")).split("\n")
    expect(lines[0]).toContain("What holds back the sea?")
    expect(lines[1]).toMatch(/^simulated\/sim: \d+ tokens, 1 attempt\(s\)$/)
    expect(lines[2]).toContain("Count to three.")
    expect(lines[3]).toBe("1 attempt(s)")
    expect(lines[4]).toBe("Image 1: image/png, 70 bytes, 1×1.")
  })

  it("failover is answered by the backup, and the third question finds the circuit open", async () => {
    const output = await run("failover")
    expect(output).toContain("first: backup/sim-fast after 3 attempt(s) (primary/sim-down Overloaded, ")
    expect(output).toContain("circuit of primary/sim-down: closed to open")
    expect(output).toContain("; skipped primary/sim-down: circuit open)")
  })

  it("custom-provider retries its own failure and streams from itself", async () => {
    expect((await run("custom-provider")).split("\n")).toEqual([
      "mine/counter: 5 words (ConnectionReset, ok)",
      "delta \"5\"",
      "delta \" words\"",
      "delta \"\"",
      "streamed by mine",
      ""
    ])
  })

  it("effect-ai streams, keeps to a schema and calls a tool, and says who answered and for how much", async () => {
    expect((await run("effect-ai")).split("\n")).toEqual([
      expect.stringMatching(/^streamed: .*What holds back the sea\?.* \(backup\/sim-fast, 2 attempts, 0\.\d+ USD\)$/),
      "object: {\"name\":\"\",\"metres\":0}",
      "tool: the tide at Brest",
      "answer: The tools answered: “{\"metres\":6.1}”.",
      "refused: InvalidRequestError, model",
      ""
    ])
  })

  it("embedded serves the app's route and the gateway's on one port", async () => {
    expect((await run("embedded")).split("\n")).toEqual([
      "GET /api/v1/health/ready 200",
      "GET /hello 200 \"hello from the app\"",
      "POST /v1/chat/completions 200 by simulated",
      ""
    ])
  })

  it("upstreams asks a server over HTTP and goes on when nobody is there", async () => {
    const server = start("node", [join(root, "src/main.ts"), "--port", "0"])
    try {
      const address = await url(server)
      expect(await run("upstreams", `${address}/v1`)).toMatch(/^remote\/sim-fast: .*\nremote\/sim-fast=ok\n$/)
    } finally {
      server.process.kill("SIGKILL")
      await server.ended
    }
    // Port 1 is nobody's.
    expect(await run("upstreams", "http://127.0.0.1:1/v1")).toMatch(
      /^backup\/sim-fast: .*\nremote\/sim-fast=UpstreamUnreachable, backup\/sim-fast=ok\n$/
    )
  })

  it("readme fails over and says what it took", async () => {
    expect(await run("readme")).toMatch(/^backup\/sim after 3 attempts: /)
  })

  it("testing drives thousands of requests through a configuration and says what their callers saw", async () => {
    const output = await run("testing")
    expect(output).toMatch(/^openai flaps\n1600 requests: 1600 answered \(100.00 %\), 0 failed\n/)
    expect(output).toMatch(/openai\/gpt-5-mini: closed to open \((?:failure-rate|consecutive-failures)\)/)
    expect(output).toContain("openai is silent\n1600 requests: 1600 answered")
  })

  it("are all run here", () => {
    const files = globSync("examples/*.ts", { cwd: root }).map((path) => path.replace(/^examples\/|\.ts$/g, ""))
    expect(files.toSorted()).toEqual([
      "custom-provider",
      "effect-ai",
      "embedded",
      "failover",
      "quickstart",
      "readme",
      "testing",
      "upstreams"
    ])
  })
})
