/** What the file does not say of the deployments of Azure's, whose names are the operator's own: which model each is. For `check` and the banner. */
import { rowOf } from "../accounting/Prices.ts"
import { saidOf } from "../domain/ModelName.ts"
import { several } from "../domain/Suggestion.ts"
import { capabilitiesOf } from "../providers/Catalogue.ts"
import type { InactiveKey } from "./Inactive.ts"
import type { Settings } from "./Settings.ts"

/** Whether the catalogue or the prices have anything of a model that Azure serves. */
const isKnownAtAzure = (model: string): boolean =>
  Object.keys(capabilitiesOf("azure-openai", model)).length > 0 || rowOf("azure-openai", model) !== undefined

/** Deployments of Azure's whose names say nothing: limits, sampling, capabilities and prices are not known of them. */
export const deploymentDoubts = ({ models, providers }: Settings): ReadonlyArray<InactiveKey> => {
  const targets = Object.values(models).flatMap((alias) => alias.targets)
  return providers.filter(({ kind }) => kind === "azure-openai").flatMap((provider) => {
    const { deployments = {}, models: listed, name } = provider
    const asked = targets.filter((target) => target.provider === name).map(({ model }) => model)
    const unsaid = [...new Set([...asked, ...listed])].filter((model) =>
      saidOf(provider, model) === undefined && !isKnownAtAzure(model)
    )
    const unknown = Object.entries(deployments).filter(([, model]) => !isKnownAtAzure(model))
    return [
      ...(unsaid.length === 0 ? [] : [{
        path: `providers.${name}.deployments`,
        why: `says no model of ${several(unsaid)}, whose limits and prices are not known; such as { ${
          JSON.stringify(unsaid[0])
        }: gpt-5-mini }`
      }]),
      ...unknown.map(([deployment, model]) => ({
        path: `providers.${name}.deployments.${deployment}`,
        why: `nothing is known of a model ${JSON.stringify(model)}`
      }))
    ]
  })
}
