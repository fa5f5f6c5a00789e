/** What a schema accepts, in a caller's words instead of a type's; asked only once a request has been refused. */
import type * as SchemaAST from "effect/SchemaAST"

const alternatives = (words: ReadonlyArray<string>): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`

/** What the schema's author said: of its last check, else of itself. */
const ownWords = (ast: SchemaAST.AST): string | undefined => {
  const said = ast.checks?.at(-1)?.annotations?.["expected"] ?? ast.annotations?.["expected"]
  return typeof said === "string" ? said : undefined
}

const objectWords = (ast: SchemaAST.Objects): string => {
  for (const { name, type } of ast.propertySignatures) {
    if (type._tag === "Literal") return `an object whose ${String(name)} is ${JSON.stringify(type.literal)}`
  }
  return "an object"
}

const branches = (ast: SchemaAST.Union): ReadonlyArray<SchemaAST.AST> =>
  ast.types.flatMap((member) => member._tag === "Union" && ownWords(member) === undefined ? branches(member) : [member])

/** `a number between 0 and 2`; undefined for a schema that there are no words for. Null, which means absent, is left out. */
export const inWords = (ast: SchemaAST.AST): string | undefined => {
  const own = ownWords(ast)
  if (own !== undefined) return own
  switch (ast._tag) {
    case "String":
      return "a string"
    case "Number":
      return "a number"
    case "Boolean":
      return "true or false"
    case "Arrays":
      return "an array"
    case "Objects":
      return objectWords(ast)
    case "Literal":
      return JSON.stringify(ast.literal)
    case "Union": {
      const words = branches(ast).filter((member) => member._tag !== "Null").map(inWords)
      const known = words.filter((word) => word !== undefined)
      return known.length < words.length ? undefined : alternatives([...new Set(known)])
    }
    default:
      return undefined
  }
}
