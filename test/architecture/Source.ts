/** Every TypeScript file of src, parsed; what the architecture tests read. */
import { globSync, readFileSync } from "node:fs"
import { join, sep } from "node:path"
import { parseAst } from "vitest/node"

const root = join(import.meta.dirname, "../..")

/** A syntax node seen from outside: its kind and whatever hangs on it. */
export interface SyntaxNode {
  readonly type: string
  readonly [key: string]: unknown
}

export const isNode = (value: unknown): value is SyntaxNode =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

/** The node and everything below it. */
export const descendants = (node: SyntaxNode): ReadonlyArray<SyntaxNode> => [
  node,
  ...Object.values(node).flat().filter(isNode).flatMap(descendants)
]

export interface Source {
  /** From the repository's root, with `/`. */
  readonly path: string
  readonly text: string
  /** Top-level statements. */
  readonly body: ReadonlyArray<SyntaxNode>
  /** What it imports: statically, by type, dynamically or by re-export. */
  readonly specifiers: ReadonlyArray<string>
}

const importKinds = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportAllDeclaration",
  "ImportExpression",
  "TSImportType"
])

/** Reads a module; an import whose target is computed appears as `<computed>`, which belongs nowhere. */
export const parse = (path: string, text: string): Source => {
  const statements: ReadonlyArray<unknown> = parseAst(text, { lang: "ts" }).body
  const body = statements.filter(isNode)
  const specifiers = body.flatMap(descendants).filter((node) => importKinds.has(node.type)).flatMap(({ source }) => {
    if (!isNode(source)) return []
    return [typeof source["value"] === "string" ? source["value"] : "<computed>"]
  })
  return { path, text, body, specifiers }
}

export const sources: ReadonlyArray<Source> = globSync("src/**/*.ts", { cwd: root })
  .map((path) => path.split(sep).join("/"))
  .toSorted()
  .map((path) => parse(path, readFileSync(join(root, path), "utf8")))
