import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { kinds } from "../../src/config/ProviderSection.ts"
import { type Child, root, start, url } from "../cli/Child.ts"

const text = readFileSync(join(root, "README.md"), "utf8")

/** A code block of a language, counted from 0. */
const block = (language: string, index = 0): string =>
  Array.from(text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g")))[index]?.[1] ??
    `no ${language} in the README`

const port = "127.0.0.1:8000"
let server: Child
let address = ""

// The README's rehearsal, found in the folder of the start.
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-readme-"))
  writeFileSync(join(folder, "breakwater.yaml"), block("yaml", 1))
  server = start("node", [join(root, "src/main.ts"), "--port", "0"], { cwd: folder })
  address = (await url(server)).replace("http://", "")
})

afterAll(async () => {
  server.process.kill("SIGKILL")
  await server.ended
})

const run = async (command: string, args: ReadonlyArray<string>): Promise<string> => {
  const child = start(command, args)
  await child.ended
  return child.output()
}

describe("the README", () => {
  it("shows the answer that its curl gets, but for the moment", async () => {
    const shown = block("text")
    const command = Array.from(text.matchAll(/```sh\n(curl [\s\S]*?)```/g), ([, code]) => code ?? "")[0] ?? ""
    const answer = await run("sh", ["-c", command.replace("curl", "curl -s").replace(port, address)])
    const withoutMoment = (json: string) => json.trim().replace(/"created":\d+/, "\"created\":0")
    expect(withoutMoment(answer)).toBe(withoutMoment(shown))
  })

  it("has a client that streams the same answer", async () => {
    const output = await run("node", ["--input-type=module", "-e", block("js").replace(port, address)])
    expect(output).toBe(JSON.parse(block("text")).choices[0].message.content)
  })

  it("has a file of eight lines that is one", async () => {
    expect(block("yaml").trim().split("\n")).toHaveLength(8)
    const file = join(mkdtempSync(join(tmpdir(), "breakwater-readme-")), "eight.yaml")
    writeFileSync(file, block("yaml"))
    const env = { OPENAI_API_KEY: "sk-1", GROQ_API_KEY: "gsk-1" }
    const child = start("node", [join(root, "src/main.ts"), "check", file], { env })
    expect((await child.ended).code).toBe(0)
    expect(child.output()).not.toContain("not active")
  })

  it("names every kind of provider", () => {
    const [said = ""] = /Kinds of providers:.*\n.*\n/.exec(text) ?? []
    expect(kinds.map(({ kind }) => kind).filter((kind) => !said.includes(`\`${kind}\``))).toEqual([])
  })

  it("has a rehearsal that fails over as it says", async () => {
    const attempts: Array<string | null> = []
    for (const question of ["first", "second", "third"]) {
      const answer = await fetch(`http://${address}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "fast", messages: [{ role: "user", content: question }] })
      })
      expect(answer.headers.get("x-breakwater-model")).toBe("sim")
      await answer.text()
      attempts.push(answer.headers.get("x-breakwater-attempts"))
    }
    expect(attempts).toEqual(["3", "3", "2"])
  })

  it("shows examples/readme.ts as it is", () => {
    expect(block("ts")).toBe(readFileSync(join(root, "examples/readme.ts"), "utf8"))
  })
})
