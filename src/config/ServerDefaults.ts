/** What the `server` section means once its defaults have been filled in. */
import * as Redacted from "effect/Redacted"
import type { StaticKey } from "../admission/Keys.ts"
import { budgetFrom } from "../domain/Principal.ts"
import * as Rules from "../validation/Rules.ts"
import type { ConfigurationFile } from "./Config.ts"
import { defaultServerSection, type ServerSection } from "./ServerSection.ts"

const clientKeys = (file: ConfigurationFile): ReadonlyArray<StaticKey> =>
  (file.server?.keys ?? []).map((entry, index): StaticKey => {
    const name = `key-${index + 1}`
    if (Redacted.isRedacted(entry)) return { name, key: entry }
    const { budget, expires, ...rest } = entry
    return {
      name,
      ...rest,
      budget: budget === undefined ? undefined : budgetFrom(budget),
      expiresAtMs: expires
    }
  })

const budgets = (file: ConfigurationFile): ServerSection["budgets"] => {
  const { tags = {}, total, ...rest } = file.server?.budgets ?? {}
  return {
    ...defaultServerSection.budgets,
    ...rest,
    total: total === undefined ? undefined : budgetFrom(total),
    tags: Object.fromEntries(Object.entries(tags).map(([tag, budget]) => [tag, budgetFrom(budget)]))
  }
}

/** The section with every default filled in. */
export const serverOf = (file: ConfigurationFile): ServerSection => {
  const { inFlight, lag, ...limits } = file.server?.limits ?? {}
  const { shedding } = defaultServerSection
  return {
    ...defaultServerSection,
    ...file.server,
    keys: clientKeys(file),
    adminKey: file.server?.adminKey,
    keySecret: file.server?.keySecret,
    budgets: budgets(file),
    limits: { ...defaultServerSection.limits, ...limits },
    timeouts: { ...defaultServerSection.timeouts, ...file.server?.timeouts },
    rules: Rules.fromInput(file.validation ?? {}),
    imageHosts: file.images?.hosts ?? defaultServerSection.imageHosts,
    shedding: { inFlight: inFlight ?? shedding.inFlight, lagMs: lag ?? shedding.lagMs },
    drain: { ...defaultServerSection.drain, ...file.server?.drain }
  }
}
