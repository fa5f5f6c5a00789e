/** The house rules of src that no stock linter knows; floors.json holds their data. */
import { join, relative, sep } from "node:path"
import type { RuleTester } from "oxlint/plugins-dev"
import { floors, importRefusal } from "./floors.ts"

type Rule = Extract<Parameters<RuleTester["run"]>[1], { create: unknown }>
type Context = Parameters<Rule["create"]>[0]
type Node = NonNullable<ReturnType<Context["sourceCode"]["getNodeByRangeIndex"]>>

const root = join(import.meta.dirname, "..")
const pathOf = (context: Context): string => relative(root, context.filename).split(sep).join("/")

/** Words that explain, once the directives that checkers read are taken out. */
const isReason = (comment: string): boolean =>
  /[a-z]+[^a-z]+[a-z]+/i.test(comment.replace(/@effect-diagnostics\S*|\w+:\w+|(ox|es)lint-disable\S*|\w+\/[\w-]+/g, ""))

/** A reason is a `//` or `/*` comment at the end of the node's first or last line, or in the comment lines right above. */
const hasReason = (context: Context, node: Node): boolean => {
  const comments = context.sourceCode.getAllComments().filter((comment) => !comment.value.startsWith("*"))
  const endingOn = (line: number) => comments.find((comment) => comment.loc.end.line === line)
  const above = (line: number): boolean => {
    const comment = endingOn(line - 1)
    if (comment === undefined || !/^\s*\/[/*]/.test(context.sourceCode.lines[comment.loc.start.line - 1] ?? "")) {
      return false
    }
    return isReason(comment.value) || above(comment.loc.start.line)
  }
  return [node.loc.start.line, node.loc.end.line].some((line) => isReason(endingOn(line)?.value ?? "") || above(line))
}

/** Imports go to the file's own room or a lower floor, packages by the room's list. */
const floorsRule: Rule = {
  create: (context) => {
    const judge = (source: Node | null): void => {
      if (source === null) return
      const refusal = source.type === "Literal" && typeof source.value === "string"
        ? importRefusal(pathOf(context), source.value)
        : "an import names its module as a plain string"
      if (refusal !== undefined) context.report({ node: source, message: refusal })
    }
    return {
      ImportDeclaration: (node) => judge(node.source),
      ExportNamedDeclaration: (node) => judge(node.source),
      ExportAllDeclaration: (node) => judge(node.source),
      ImportExpression: (node) => judge(node.source),
      TSImportType: (node) => judge(node.source)
    }
  }
}

/** Clock, randomness, environment and network come from Effect, so that TestClock and seeds rule every test. */
const ambientRule: Rule = {
  create: (context) => {
    const roots = new Set([
      "globalThis",
      ...Object.keys(floors.never).map((name) => name.replace(/^new |[.(].*$/g, ""))
    ])
    const report = (node: Node, path: string): void => {
      const name = Object.keys(floors.never).find((never) => path === never || path.startsWith(`${never}.`))
      if (name === undefined || hasReason(context, node)) return
      context.report({ node, message: `${name}: use ${floors.never[name]}, or say why not in a comment beside it` })
    }
    return {
      Identifier: (node) => {
        if (!roots.has(node.name) || !context.sourceCode.isGlobalReference(node)) return
        let path: string = node.name
        let at: Node = node
        while (at.parent?.type === "MemberExpression" && at.parent.object === at && !at.parent.computed) {
          at = at.parent
          if (at.property.type === "Identifier") path += `.${at.property.name}`
        }
        path = path.replace(/^globalThis\./, "")
        const isBareDate = (at.parent?.type === "NewExpression" || at.parent?.type === "CallExpression") &&
          path === "Date" && at.parent.arguments.length === 0
        if (at.parent?.type === "VariableDeclarator" && at.parent.id.type === "ObjectPattern") {
          for (const property of at.parent.id.properties) {
            if (property.type === "Property" && property.key.type === "Identifier") {
              report(node, `${path}.${property.key.name}`)
            }
          }
        } else if (at.parent?.type !== "TSTypeQuery") {
          report(node, isBareDate ? "new Date()" : path)
        }
      }
    }
  }
}

/** What switches a checker off — `any`, a cast, a directive — says why. */
const reasonsRule: Rule = {
  create: (context) => {
    const demand = (node: Node, what: string): void => {
      if (!hasReason(context, node)) {
        context.report({ node, message: `${what} needs its reason in a comment beside it` })
      }
    }
    return {
      Program: () => {
        for (const comment of context.sourceCode.getAllComments()) {
          if (
            /@effect-diagnostics|@ts-expect-error|(ox|es)lint-disable/.test(comment.value) && !isReason(comment.value)
          ) {
            context.report({ loc: comment.loc, message: "A directive says why on its own line: `-- reason`" })
          }
        }
      },
      TSAnyKeyword: (node) => demand(node, "any"),
      TSTypeAssertion: (node) => demand(node, "A cast"),
      TSNonNullExpression: (node) => demand(node, "A non-null assertion"),
      TSAsExpression: (node) => {
        const type = node.typeAnnotation
        if (type.type !== "TSTypeReference" || context.sourceCode.getText(type) !== "const") demand(node, "A cast")
      }
    }
  }
}

/** Counts a function's own lines: those of functions inside it are theirs, so a service may hold many small methods. */
const functionSizeRule: Rule = {
  create: (context) => {
    const open: Array<{ inner: number }> = []
    const enter = (): void => void open.push({ inner: 0 })
    const leave = (node: Node): void => {
      const lines = node.loc.end.line - node.loc.start.line + 1
      const own = lines - (open.pop()?.inner ?? 0)
      const outer = open.at(-1)
      if (outer !== undefined) outer.inner += lines - 1
      if (own > floors.sizes.linesPerFunction) {
        context.report({ node, message: `${own} own lines: a function stays within ${floors.sizes.linesPerFunction}` })
      }
    }
    return {
      FunctionDeclaration: enter,
      "FunctionDeclaration:exit": leave,
      FunctionExpression: enter,
      "FunctionExpression:exit": leave,
      ArrowFunctionExpression: enter,
      "ArrowFunctionExpression:exit": leave
    }
  }
}

export default {
  meta: { name: "house" },
  rules: { floors: floorsRule, ambient: ambientRule, reasons: reasonsRule, "function-size": functionSizeRule }
}
