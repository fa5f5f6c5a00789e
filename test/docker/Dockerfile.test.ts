import { describe, expect, it } from "@effect/vitest"
import { parse } from "effect/encoding/Yaml"
import { execFile, execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { kinds } from "../../src/config/ProviderSection.ts"
import { selfSigned } from "../faults/Certificates.ts"
import { listening } from "../wire/Listening.ts"
import { execForm, instructionsOf, type Stage, stagesOf, textsOf } from "./Dockerfile.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const source = read("docker/Dockerfile")
const stages = stagesOf(source)
const final: Stage = stages.at(-1) ?? expect.fail("no stage")
const only = (name: string): string => {
  const texts = textsOf(final, name)
  expect(texts).toHaveLength(1)
  return texts[0] ?? ""
}

const withFolder = async (run: (folder: string) => Promise<void> | void): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-docker-"))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const secretName = /key|secret|token|password/i

describe("the reader", () => {
  it("joins continued lines, skips comments and splits stages", () => {
    const [first, second] = stagesOf("# c\nFROM a AS b\nRUN x \\\n  && y\nFROM c\n# d\nuser e\n")
    expect(first).toEqual({ image: "a", name: "b", instructions: [{ name: "RUN", text: "x && y" }] })
    expect(second).toEqual({ image: "c", name: undefined, instructions: [{ name: "USER", text: "e" }] })
  })

  it("refuses shell form", () => {
    expect(() => execForm("node src/main.ts")).toThrow("JSON")
  })
})

describe("the Dockerfile", () => {
  it("has more than one stage, and the last one copies from another", () => {
    expect(stages.length).toBeGreaterThan(1)
    const names = stages.map((stage) => stage.name)
    const from = textsOf(final, "COPY").flatMap((text) => /--from=(\S+)/.exec(text)?.[1] ?? [])
    expect(from.length).toBeGreaterThan(0)
    for (const name of from) expect(names).toContain(name)
  })

  it("starts every stage from Node 24 by a tag that is not latest", () => {
    for (const { image } of stages) expect(image).toMatch(/^node:24(\.\d+)*-slim$/)
  })

  it("runs as a user that is not root", () => {
    expect(only("USER")).toBe("node")
    const names = final.instructions.map((instruction) => instruction.name)
    expect(names.slice(names.indexOf("USER"))).not.toContain("RUN")
  })

  it("installs for production, without scripts, from the manifest and the lockfile alone", () => {
    const [first] = stages
    expect(textsOf(first ?? final, "RUN")).toEqual(["npm install --omit=dev --ignore-scripts"])
    expect(textsOf(first ?? final, "COPY")).toEqual(["package.json package-lock.json .npmrc ./"])
  })

  it("starts the server in exec form, on every address, and stops it with SIGTERM", () => {
    expect(execForm(only("CMD"))).toEqual(["node", "src/main.ts", "--host", "0.0.0.0"])
    expect(textsOf(final, "ENTRYPOINT")).toEqual([])
    expect(only("STOPSIGNAL")).toBe("SIGTERM")
    expect(only("EXPOSE")).toBe("8000")
  })

  it("serves on the port that it exposes and that the health check asks, whatever the file says", () => {
    // The environment wins over the file, and one variable rules both.
    expect(textsOf(final, "ENV").flatMap((text) => text.split(/\s+/))).toContain(`BREAKWATER_PORT=${only("EXPOSE")}`)
    expect(only("HEALTHCHECK")).toContain("process.env.BREAKWATER_PORT}/")
  })

  it("copies only files that exist and that .dockerignore lets in, and never adds", () => {
    const ignored = read(".dockerignore").split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    expect(ignored[0]).toBe("*")
    const copies = stages.flatMap((stage) => textsOf(stage, "COPY")).filter((text) => !text.startsWith("--from"))
    const copied = copies.flatMap((text) => text.split(/\s+/).slice(0, -1))
    expect(copied).toContain("src")
    expect(new Set(ignored.slice(1))).toEqual(new Set(copied.map((path) => `!${path}`)))
    for (const path of copied) expect([path, existsSync(join(root, path))]).toEqual([path, true])
    expect(instructionsOf(source).map((instruction) => instruction.name)).not.toContain("ADD")
  })

  it("carries no secret", () => {
    const settings = stages.flatMap((stage) => [...textsOf(stage, "ENV"), ...textsOf(stage, "ARG")])
    for (const setting of settings) expect(setting).not.toMatch(secretName)
  })
})

const words = execForm(only("HEALTHCHECK").replace(/^.*?CMD\s+/, ""))
const check = (port: number) =>
  promisify(execFile)(process.execPath, words.slice(1), {
    env: { ...process.env, BREAKWATER_PORT: String(port) }
  }).then(() => 0, (error: { readonly code: number }) => error.code)
/** Of another name than loopback's. */
const certificate = selfSigned("door.example")

describe("the health check", () => {
  it("asks the liveness probe: 0 when it answers well, 1 when it does not or is not there", async () => {
    expect(words[0]).toBe("node")
    const asked: Array<string | undefined> = []
    let status = 200
    const server = createServer((request, response) => {
      asked.push(request.url)
      response.writeHead(status).end()
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : expect.fail("no port")
    try {
      const healthy = await check(port)
      status = 503
      const unhealthy = await check(port)
      expect([healthy, unhealthy]).toEqual([0, 1])
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    expect(await check(port)).toBe(1)
    expect(asked).toEqual(["/api/v1/health/live", "/api/v1/health/live"])
  })
})

describe("the health check of a door with TLS", () => {
  it.skipIf(certificate === undefined)("asks it by TLS (skipped where there is no openssl)", async () => {
    let status = 200
    const server = createTlsServer({ ...certificate }, (_, response) => {
      response.writeHead(status).end()
    })
    const { close, url } = await listening(server)
    const port = Number(new URL(url).port)
    try {
      const healthy = await check(port)
      status = 503
      expect([healthy, await check(port)]).toEqual([0, 1])
    } finally {
      close()
    }
  })
})

interface Compose {
  readonly services: {
    readonly breakwater: {
      readonly image: string
      readonly build: { readonly context: string; readonly dockerfile: string }
      readonly command: ReadonlyArray<string>
      readonly ports: ReadonlyArray<string>
      readonly environment: ReadonlyArray<string>
      readonly volumes: ReadonlyArray<string>
      readonly read_only: boolean
      readonly cap_drop: ReadonlyArray<string>
      readonly security_opt: ReadonlyArray<string>
    }
  }
  readonly volumes: Readonly<Record<string, unknown>>
}

describe("compose.yaml", () => {
  // The shape is what these tests assert.
  const compose = parse(read("docker/compose.yaml")) as Compose
  const service = compose.services.breakwater

  it("builds the Dockerfile from the root, under a tag that is not latest", () => {
    expect(existsSync(join(root, "docker", service.build.context, service.build.dockerfile))).toBe(true)
    expect(service.image).toMatch(/:(?!latest$)\w+$/)
  })

  it("publishes the port to this machine alone", () => {
    expect(service.ports).toEqual(["127.0.0.1:8000:8000"])
  })

  it("passes on the key of every provider there is, and what the collector asks for", () => {
    const needed = kinds.flatMap(({ endpointName, keyName }) =>
      [keyName, endpointName].filter((name) => name !== undefined)
    )
    expect(needed.length).toBeGreaterThan(10)
    expect(service.environment).toEqual(expect.arrayContaining(needed))
    expect(service.environment).toEqual(
      expect.arrayContaining(["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"])
    )
  })

  it("passes keys on by name and holds none itself", () => {
    expect(service.environment).toContain("BREAKWATER_KEY")
    for (const entry of service.environment) expect(entry).toMatch(/^[A-Z_]+$/)
  })

  it("keeps the keys and a ledger in volumes where the Dockerfile made folders for them", () => {
    expect(Object.keys(compose.volumes)).toEqual(["keys", "data"])
    expect(service.volumes).toEqual(["keys:/keys", "data:/data"])
    expect(textsOf(final, "RUN").join("\n")).toContain("chown node:node /keys /data")
  })

  it("gives the container no more than it needs", () => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      tmpfs: ["/tmp"]
    })
  })

  /** Runs the container's command with a folder in the place of /keys and a main that tells what it was given. */
  const start = (folder: string, env: Readonly<Record<string, string>> = {}) => {
    const [shell = "", flags = "", script = ""] = service.command
    mkdirSync(join(folder, "app/src"), { recursive: true })
    mkdirSync(join(folder, "app/docker"), { recursive: true })
    mkdirSync(join(folder, "keys"), { recursive: true })
    writeFileSync(join(folder, "app/docker/keys.mjs"), read("docker/keys.mjs"))
    writeFileSync(
      join(folder, "app/src/main.ts"),
      `const { BREAKWATER_KEY: client, BREAKWATER_ADMIN_KEY: admin } = process.env
       console.log(JSON.stringify({ client, admin, args: process.argv.slice(2), parent: process.ppid }))`
    )
    const own = script.replaceAll("$$", "$").replaceAll(/(?<!\w)\/keys\b/g, join(folder, "keys"))
    const path = `${join(process.execPath, "..")}:${process.env["PATH"]}`
    const lines = execFileSync(shell, [flags, own], {
      cwd: join(folder, "app"),
      env: { PATH: path, ...env },
      encoding: "utf8"
    }).trim().split("\n")
    return { said: lines.slice(0, -1), given: JSON.parse(lines.at(-1) ?? "") }
  }

  it("generates both keys on the first start, says them once and gives them to the server", () =>
    withFolder((folder) => {
      const first = start(folder)
      const second = start(folder)
      expect(first.given).toMatchObject({ args: ["--host", "0.0.0.0"], parent: process.pid })
      expect(first.given.client).toMatch(/^[0-9a-f]{64}$/)
      expect(first.given.admin).toMatch(/^[0-9a-f]{64}$/)
      expect(first.given.admin).not.toBe(first.given.client)
      expect(first.said.join("\n")).toContain(first.given.client)
      expect([second.said, second.given]).toEqual([[], first.given])
      const kept = readdirSync(join(folder, "keys"))
      expect(kept.toSorted()).toEqual(["admin", "client"])
      for (const name of kept) expect(statSync(join(folder, "keys", name)).mode & 0o077).toBe(0)
    }))

  it("prefers a key from the environment", () =>
    withFolder((folder) => {
      expect(start(folder, { BREAKWATER_KEY: "mine" }).given.client).toBe("mine")
    }))
})
