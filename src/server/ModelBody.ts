/** A model as `GET /v1/models` shows it: what OpenAI says of one, and what is known besides. */
import type { Capabilities } from "../domain/Model.ts"
import type { ModelListing } from "../gateway/Listing.ts"

type Flags = { readonly [name: string]: boolean | undefined }

/** Without what is not known. */
const present = <A>(members: { readonly [name: string]: A | undefined }): { readonly [name: string]: A } =>
  Object.fromEntries(Object.entries(members).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]))

const capabilitiesOf = ({ jsonSchema, prefill, reasoning, sampling, tools, vision }: Capabilities) => {
  const flags: Flags = { vision, tools, json_schema: jsonSchema, prefill, reasoning, sampling }
  const known = present(flags)
  return Object.keys(known).length === 0 ? {} : { capabilities: known }
}

const priceOf = (price: NonNullable<ModelListing["usdPerMtok"]>) => ({
  usd_per_mtok: present({
    input: price.input,
    output: price.output,
    cache_read: price.cacheRead,
    cache_write_5m: price.cacheWrite5m,
    cache_write_1h: price.cacheWrite1h,
    input_audio: price.inputAudio,
    output_audio: price.outputAudio
  })
})

/** Members of which nothing is known are left out. */
export const body = ({ capabilities = {}, id, ownedBy, targets, usdPerMtok }: ModelListing) => ({
  id,
  object: "model" as const,
  created: 0,
  owned_by: ownedBy,
  ...(capabilities.context === undefined ? {} : { context_window: capabilities.context }),
  ...(capabilities.maxOutput === undefined ? {} : { max_output_tokens: capabilities.maxOutput }),
  ...capabilitiesOf(capabilities),
  ...(usdPerMtok === undefined ? {} : priceOf(usdPerMtok)),
  ...(targets === undefined ? {} : { targets })
})
