/** Text of a configuration file to a plain document: YAML, JSON or TOML by the file's extension. */
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Yaml from "effect/encoding/Yaml"
import { ConfigurationRefused } from "./Problem.ts"

const extension = (file: string): string => /\.([A-Za-z]+)$/.exec(file)?.[1]?.toLowerCase() ?? ""

const refused = (file: string, message: string) =>
  new ConfigurationRefused({ source: file, problems: [{ path: "", message }] })

/** What a parser says without the piece of the file that JSON.parse quotes: there may be a secret in it. */
const place = (cause: unknown): string => {
  const message = cause instanceof Error ? cause.message : String(cause)
  return message.replace(/,? ?(\.\.\.)?".*"(\.\.\.)? is not valid JSON/s, "")
}

/** Lines of a file up to which the place of a fault is looked for. */
const searchedLines = 2000

/** Where what cannot be read begins: after the longest beginning of the text that can. */
const lineOf = (text: string): number | undefined => {
  const lines = text.trimEnd().split("\n")
  if (lines.length > searchedLines) return undefined
  for (let count = lines.length - 1; count > 0; count--) {
    try {
      Yaml.parse(lines.slice(0, count).join("\n"))
      return count + 1
    } catch {
      // A line less, then.
    }
  }
  return 1
}

/** Not every fault that the parser tells of has its line. */
const parseYaml = (text: string): unknown => {
  try {
    return Yaml.parse(text)
  } catch (cause) {
    const message = place(cause)
    const line = /at line \d+/.test(message) ? undefined : lineOf(text)
    throw line === undefined ? cause : new SyntaxError(`${message.replace(/ at flow offset \d+/, "")} at line ${line}`)
  }
}

const reader = (file: string): ((text: string) => unknown) | undefined => {
  switch (extension(file)) {
    case "yaml":
    case "yml":
      return parseYaml
    case "json":
      return (text) => JSON.parse(text) as unknown // unknown narrows the any of JSON.parse
    default:
      return undefined
  }
}

/** The document in the text; an empty file is an empty document. Fails with one problem that names the line where it can. */
export const parse = (file: string, text: string): Effect.Effect<unknown, ConfigurationRefused> => {
  if (extension(file) === "toml") {
    return Effect.mapError(
      Effect.fromResult(Toml.parse(text)),
      (error) => refused(file, `not readable as TOML: ${error.message}`)
    )
  }
  const read = reader(file)
  if (read === undefined) {
    return Effect.fail(refused(file, "unknown kind of file; name it .yaml, .yml, .json or .toml"))
  }
  return Effect.try({
    try: () => read(text) ?? {},
    catch: (cause) => refused(file, `not readable as ${extension(file).toUpperCase()}: ${place(cause)}`)
  })
}
