/** The names of Bedrock's models that a row of the price source is about: exact ones, with the region's prefix where it has one. */
import { type SourceModel, textsOf } from "./genai-source.ts"

/** What stands before the revision: `-v1` of `anthropic.claude-opus-4-6-v1:0`, `-1` of `openai.gpt-oss-120b-1:0`. */
const versionOf = (id: string): string => /-v?\d(?=:\d$)/.exec(id)?.[0] ?? ""

const prefixed = /^(?:global|us|eu|au|apac|jp|in)\./

/** Regions whose profiles ask what the models themselves do: for Claude's older ones all, for others the one that the price is of. */
const profilesOf = (id: string): ReadonlyArray<string> =>
  id.startsWith("regional.anthropic.") ? ["", "us.", "eu.", "apac."] : ["", "us."]

const stemsOf = ({ id, match }: SourceModel): ReadonlyArray<string> => {
  const version = versionOf(id)
  const texts = textsOf(match).filter((text) => !text.startsWith("us-gov."))
  const stems = texts.map((text) => version !== "" && text.endsWith(version) ? text.slice(0, -version.length) : text)
  // A name of a maker alone is no name of Bedrock's; of those that say no region any profile is meant.
  const [first = ""] = stems
  if (stems.length === 1 && match.equals === undefined && !prefixed.test(first)) {
    const name = first.startsWith("claude-") ? `anthropic.${first}` : first
    return profilesOf(id).map((profile) => profile + name)
  }
  return stems
}

/** With and without the version that the source names, for names are asked for in both ways; no other version is meant. */
export const bedrockNamesOf = (model: SourceModel): ReadonlyArray<string> => {
  const { id } = model
  const version = versionOf(id)
  const own = /^(?:regional|global)\./.test(id) ? [] : [id.replace(/:\d+$/, "")]
  // Without one in the source it would be of all versions.
  const isOfOne = version !== "" || model.match.equals !== undefined || own.length === 0
  const stems = isOfOne ? stemsOf(model).flatMap((stem) => [stem, stem + version]) : []
  return [...new Set([...stems, ...own])].filter((name) => /^(?:\w+\.)?[a-z]+\.[a-z]/.test(name))
}
