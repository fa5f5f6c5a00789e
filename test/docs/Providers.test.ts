import { describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { ChatRequest } from "../../src/domain/Chat.ts"
import { fateOf, probes, speakers } from "../../tools/parameter-probes.ts"
import { providersPage } from "../../tools/providers-page.ts"
import { isPresent } from "../exchanges/Recorded.ts"

describe("docs/PROVIDERS.md", () => {
  it("says of the recorded exchanges what their replay says (npm run docs)", (test) => {
    if (!isPresent) test.skip("the recordings (../shared/fixtures) are not beside this checkout")
    expect(readFileSync(join(import.meta.dirname, "../../docs/PROVIDERS.md"), "utf8")).toBe(providersPage())
  })

  it("asks after every parameter of a request that a dialect has to say", () => {
    const asked = new Set(probes.flatMap(({ says }) => Object.keys(says)))
    // The gateway's own to heed.
    const heeded = new Set(["messages", "model", "stream", "stream_options"])
    expect(Object.keys(ChatRequest.fields).filter((name) => !asked.has(name) && !heeded.has(name))).toEqual([])
  })

  it.each(speakers)("knows of no parameter that $label would lose in silence", (speaker) => {
    const lost = probes.filter((probe) => fateOf(speaker, probe) === "silent").map(({ label }) => label)
    expect(lost).toEqual([])
    const unknown = { label: "a parameter of nobody's", says: { never_heard_of: 1 } }
    expect(fateOf(speaker, unknown)).toBe("left out")
  })
})
