import { describe, expect, it } from "@effect/vitest"
import { importRefusal } from "../../tools/floors.ts"
import { parse, sources } from "./Source.ts"

describe("floors", () => {
  it("saw the files of src", () => {
    expect(sources.length).toBeGreaterThan(0)
  })

  it("no file imports upward, sideways or a package its room may not touch", () => {
    const refusals = sources.flatMap(({ path, specifiers }) =>
      specifiers.flatMap((specifier) => {
        const why = importRefusal(path, specifier)
        return why === undefined ? [] : [`${path}: ${why}`]
      })
    )
    expect(refusals).toEqual([])
  })

  it("every kind of import is seen", () => {
    const text = `
      import { A } from "./a.ts"
      import type { B } from "./b.ts"
      export { C } from "./c.ts"
      export type { D } from "./d.ts"
      export * from "./e.ts"
      const f = () => import("./f.ts")
      type G = import("./g.ts").G
      const h = (name: string) => import(name)
    `
    expect(parse("src/domain/Seen.ts", text).specifiers.toSorted()).toEqual(
      ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "./f.ts", "./g.ts", "<computed>"]
    )
  })

  it.each([
    ["a lower floor", "src/gateway/Attempt.ts", "../resilience/Retry.ts"],
    ["the own room", "src/providers/OpenAi.ts", "./protocols/OpenAiChat.ts"],
    ["effect's core", "src/domain/Chat.ts", "effect/Schema"],
    ["effect itself", "src/domain/Chat.ts", "effect"],
    ["a listed package", "src/api/Api.ts", "effect/http-api"],
    ["a module of a listed package", "src/cli/Serve.ts", "@effect/platform-node/NodeHttpServer"],
    ["a package from the one file that may", "src/providers/Transport.ts", "undici"],
    ["the command door from main", "src/main.ts", "./cli/Cli.ts"],
    ["any room from index", "src/index.ts", "./server/Server.ts"],
    ["any package from testing", "src/testing.ts", "effect/testing"]
  ])("allows %s", (_, file, specifier) => {
    expect(importRefusal(file, specifier)).toBeUndefined()
  })

  it.each([
    ["an upward import", "src/resilience/Retry.ts", "../gateway/Attempt.ts"],
    ["a sideways import", "src/resilience/Retry.ts", "../observability/Metrics.ts"],
    ["a root file from a room", "src/cli/Cli.ts", "../index.ts"],
    ["a file outside src", "src/cli/Cli.ts", "../../package.json"],
    ["a room unknown to floors.json", "src/plugins/Plugin.ts", "effect"],
    ["another room from main", "src/main.ts", "./server/Server.ts"],
    ["a group of effect without a row", "src/domain/Chat.ts", "effect/http/HttpClient"],
    ["a package without a row", "src/server/Server.ts", "node:fs"],
    ["a package from another file of the room", "src/providers/Anthropic.ts", "undici"],
    ["a subpath of it too", "src/providers/Anthropic.ts", "openai/resources"],
    ["a whole package that is to be taken by module", "src/cli/Serve.ts", "@effect/platform-node"],
    ["a package whose name only begins alike", "src/domain/Chat.ts", "effective"],
    ["the compiled name of a file", "src/gateway/Attempt.ts", "../resilience/Retry.js"],
    ["a computed import", "src/cli/Cli.ts", "<computed>"]
  ])("refuses %s", (_, file, specifier) => {
    expect(importRefusal(file, specifier)).toBeTypeOf("string")
  })
})
