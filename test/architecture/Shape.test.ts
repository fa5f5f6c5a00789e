import { describe, expect, it } from "@effect/vitest"
import { floors, roomOf } from "../../tools/floors.ts"
import { descendants, isNode, parse, type Source, sources } from "./Source.ts"

const codeLines = ({ text }: Source): number =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").split("\n").filter((line) => !/^\s*(\/\/|$)/.test(line)).length

const isMigration = (path: string): boolean => path.includes("/migrations/")

const badName = ({ path }: Source): boolean => {
  if (floors.rootFiles[path] !== undefined) return false
  const folders = path.split("/").slice(1, -1)
  const file = path.split("/").at(-1) ?? ""
  const fileShape = isMigration(path) ? /^\d{4}_[a-z_]+\.ts$/ : /^[A-Z][A-Za-z0-9]*\.ts$/
  return roomOf(path) === undefined ||
    !fileShape.test(file) ||
    /(Live|Impl)\.ts$/.test(file) ||
    folders.some((folder) => !/^[a-z][a-z-]*$/.test(folder)) ||
    [...folders, file.replace(/\.ts$/, "").toLowerCase()].some((name) => floors.names.forbidden.includes(name))
}

const named = new Set([
  "VariableDeclarator",
  "FunctionDeclaration",
  "ClassDeclaration",
  "PropertyDefinition",
  "TSInterfaceDeclaration",
  "TSTypeAliasDeclaration"
])

/** Declared names that end in Live or Impl; `isLive` is a predicate and may. */
const suffixed = ({ body }: Source): ReadonlyArray<string> =>
  body.flatMap(descendants).filter(({ type }) => named.has(type)).flatMap((node) => {
    const id = node["id"] ?? node["key"]
    const name = isNode(id) && typeof id["name"] === "string" ? id["name"] : ""
    return /(Live|Impl)$/.test(name) && !/^is[A-Z]/.test(name) ? [name] : []
  })

const hasDefaultExport = ({ body }: Source): boolean =>
  body.some(({ type }) => type === "ExportDefaultDeclaration" || type === "TSExportAssignment")

/** A file that has nothing of its own and passes on what others export. */
const isBarrel = ({ body, path }: Source): boolean =>
  floors.rootFiles[path] === undefined &&
  body.some(({ type }) => type.startsWith("Export")) &&
  body.every((statement) =>
    statement.type === "ImportDeclaration" || statement.type === "ExportAllDeclaration" ||
    (statement.type === "ExportNamedDeclaration" && statement["declaration"] === null)
  )

const pathsWhere = (predicate: (source: Source) => boolean): ReadonlyArray<string> =>
  sources.filter(predicate).map(({ path }) => path)

describe("shape of src", () => {
  it(`no file has more than ${floors.sizes.codeLinesPerFile} code lines`, () => {
    expect(pathsWhere((source) => codeLines(source) > floors.sizes.codeLinesPerFile)).toEqual([])
  })

  it("files are PascalCase nouns in a known room", () => {
    expect(pathsWhere(badName)).toEqual([])
  })

  it("nothing is exported by default", () => {
    expect(pathsWhere(hasDefaultExport)).toEqual([])
  })

  it("only index.ts and testing.ts pass on what others export", () => {
    expect(pathsWhere(isBarrel)).toEqual([])
  })

  it("no name ends in Live or Impl", () => {
    expect(sources.flatMap((source) => suffixed(source).map((name) => `${source.path}: ${name}`))).toEqual([])
  })
})

describe("the shape rules themselves", () => {
  const source = (path: string, text = "export const a = 1\n"): Source => parse(path, text)

  it("count code, not blank lines or comments", () => {
    expect(codeLines(source("src/domain/A.ts", "/**\n * doc\n */\n\n// why\nconst a = 1 // one\n"))).toBe(1)
  })

  it.each([
    "src/domain/chat.ts",
    "src/domain/Utils.ts",
    "src/domain/helpers/Chat.ts",
    "src/domain/index.ts",
    "src/plugins/Plugin.ts",
    "src/storage/SqliteLive.ts",
    "src/storage/migrations/Keys.ts",
    "src/Stray.ts"
  ])("refuse the path %s", (path) => {
    expect(badName(source(path))).toBe(true)
  })

  it.each([
    "src/main.ts",
    "src/domain/Chat.ts",
    "src/providers/protocols/OpenAiChat.ts",
    "src/storage/migrations/0001_keys.ts"
  ])("allow the path %s", (path) => {
    expect(badName(source(path))).toBe(false)
  })

  it("see default exports, barrels and suffixes", () => {
    expect(hasDefaultExport(source("src/domain/A.ts", "export default 1"))).toBe(true)
    expect(isBarrel(source("src/domain/A.ts", `export * from "./B.ts"\nexport { c } from "./C.ts"`))).toBe(true)
    expect(isBarrel(source("src/domain/A.ts", `export * from "./B.ts"\nexport const d = 1`))).toBe(false)
    expect(suffixed(source("src/domain/A.ts", "const isLive = 1\nconst b = () => { const StoreLive = 1 }"))).toEqual(
      ["StoreLive"]
    )
    expect(
      suffixed(source("src/domain/A.ts", "export const fooImpl = 1\nexport class A { static readonly aLive = 1 }"))
    ).toEqual(
      ["fooImpl", "aLive"]
    )
  })
})
