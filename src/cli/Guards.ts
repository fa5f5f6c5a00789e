/** Which models have guards and what these do, in the words of `check`. */
import type { Settings } from "../config/Settings.ts"

type Guards = NonNullable<Settings["defaults"]["guards"]>

const maskText = ({ answers = true, kinds, prompts = true }: NonNullable<Guards["mask"]>): string => {
  const where = prompts && answers ? "" : prompts ? " in prompts" : answers ? " in answers" : " nowhere"
  return `mask ${kinds === undefined ? "of every kind" : kinds.join(", ")}${where}`
}

const moderationText = ({ provider, verdict = "refuse", whenFailing }: NonNullable<Guards["moderation"]>): string =>
  `moderation by ${provider} (${verdict}; when it fails: ${whenFailing})`

const textOf = ({ mask, moderation }: Guards): string => {
  const parts = [
    ...(mask === undefined ? [] : [maskText(mask)]),
    ...(moderation === undefined ? [] : [moderationText(moderation)])
  ]
  return parts.length === 0 ? "none" : parts.join("; ")
}

/** A line for each alias that says something of its own, and one for the rest; nothing where nobody has any. */
export const lines = ({ defaults, models }: Settings): ReadonlyArray<string> => [
  ...Object.entries(models).flatMap(([alias, { guards }]) =>
    guards === undefined ? [] : [`${alias}: ${textOf(guards)}`]
  ),
  ...(defaults.guards === undefined ? [] : [`all else: ${textOf(defaults.guards)}`])
]
