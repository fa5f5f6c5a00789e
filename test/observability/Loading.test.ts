import { afterAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { start, url } from "../cli/Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-loading-"))
afterAll(() => rmSync(folder, { recursive: true }))

/** Says of each module of OpenTelemetry's that it is loaded. */
const hooks = `import { registerHooks } from "node:module"
registerHooks({
  load(at, context, next) {
    if (at.includes("opentelemetry/")) process.stderr.write("loaded " + at + "\\n")
    return next(at, context)
  }
})`

/** How many of them a server loads until it serves. */
const loadedWith = async (name: string, telemetry: string): Promise<number> => {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, `server: { port: 0, drain: { notReady: 0ms } }\n${telemetry}`)
  const watch = `data:text/javascript,${encodeURIComponent(hooks)}`
  const server = start("node", ["--import", watch, "src/main.ts", "--config", file])
  await url(server)
  server.process.kill("SIGTERM")
  expect(await server.ended).toEqual({ code: 0, signal: null })
  return server.output().match(/^loaded /gm)?.length ?? 0
}

const otlp = (exporter: string): string =>
  `telemetry: { otlp: { endpoint: "http://127.0.0.1:9", exporter: ${exporter}, timeout: 10ms } }`

describe("OpenTelemetry's SDK", () => {
  it("is loaded where traces go through it, and neither without an endpoint nor for the native exporter", async () => {
    const [without, native, sdk] = await Promise.all([
      loadedWith("without", ""),
      loadedWith("native", otlp("native")),
      loadedWith("sdk", otlp("sdk"))
    ])
    expect([without, native]).toEqual([0, 0])
    expect(sdk).toBeGreaterThan(10)
  }, 60_000)
})
