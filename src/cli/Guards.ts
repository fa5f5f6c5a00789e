/** What watches over which models, in the words of the banner and of `check`; what is asked for by name passes an alias's own guards. */
import type { Settings } from "../config/Settings.ts"

type GuardSettings = NonNullable<Settings["defaults"]["guards"]>

const maskOf = ({ answers = true, kinds, prompts = true }: NonNullable<GuardSettings["mask"]>) => {
  const where = prompts && answers ? "" : prompts ? " in prompts" : answers ? " in answers" : " nowhere"
  return `mask of ${kinds?.join(", ") ?? "everything"}${where}`
}

const wordsOf = (guards: GuardSettings | undefined): string => {
  const { mask, moderation, use = [] } = guards ?? {}
  const found = [
    ...use,
    ...(mask === undefined ? [] : [maskOf(mask)]),
    ...(moderation === undefined
      ? []
      : [
        `moderation by ${moderation.provider} (${
          moderation.verdict ?? "refuse"
        }; when failing ${moderation.whenFailing})`
      ])
  ]
  return found.length === 0 ? "none" : found.join("; ")
}

/** Name and words of each; nothing where there is no guard at all. */
export const lines = (
  { defaults: { guards }, models }: Settings
): ReadonlyArray<readonly [name: string, words: string]> => {
  const own = Object.entries(models).flatMap(([alias, model]) =>
    model.guards === undefined ? [] : [[alias, wordsOf(model.guards)] as const]
  )
  return own.length === 0 && guards === undefined ? [] : [...own, ["any other, and provider/model", wordsOf(guards)]]
}
