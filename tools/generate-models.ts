/**
 * Writes src/providers/models.json from the context windows of @pydantic/genai-prices (MIT) and the table of `model-facts.ts`:
 * `node tools/generate-models.ts DIR/dist/index.js VERSION DATE`.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { ModelRow } from "../src/providers/Catalogue.ts"
import { patternsOf, read } from "./genai-source.ts"
import { facts } from "./model-facts.ts"
import { sources } from "./price-corrections.ts"

/** What is asked in another way than chat or embeddings, or is told wrong in the source. */
const isLeftOut = (provider: string, id: string): boolean =>
  /realtime|transcribe|-tts|ocr|voxtral|computer-use|search/.test(id) ||
  (provider === "openai" && id.includes("instruct"))

const named = (row: Pick<ModelRow, "provider" | "ids" | "versioned">): ReadonlyArray<string> =>
  [...row.ids, ...row.versioned ?? []].map((name) => `${row.provider}/${name}`)

const [entry = "", version = "", checked = ""] = process.argv.slice(2)
const source = await read(entry)
const byHand = new Set(facts.flatMap(named))

const generated = Object.entries(sources).flatMap(([provider, { id }]) =>
  (source.findProvider({ providerId: id })?.models ?? []).flatMap((model): ReadonlyArray<ModelRow> => {
    const { context_window: context } = model
    // Of Google's host only its own models are asked for under the kind `gemini`.
    const isForeign = provider === "gemini" && !model.id.startsWith("gem")
    if (context === undefined || isForeign || isLeftOut(provider, model.id)) return []
    const patterns = patternsOf(model.match)
    const versions = [...new Set(patterns.versioned)].filter((name) => !byHand.has(`${provider}/${name}`))
    const ids = [...new Set(patterns.ids)].filter((name) =>
      !versions.includes(name) && !byHand.has(`${provider}/${name}`) &&
      // A version of a model that the table has.
      !facts.some((row) =>
        row.provider === provider &&
        (row.versioned ?? []).some((stem) => /^[-@]\d/.test(name.slice(stem.length)) && name.startsWith(stem))
      )
    )
    if (ids.length + versions.length === 0) return []
    return [{
      provider,
      ids,
      ...(versions.length === 0 ? {} : { versioned: versions }),
      context,
      source: `@pydantic/genai-prices ${version}`,
      checked
    }]
  })
)

const licence =
  `Context windows from @pydantic/genai-prices ${version}, Copyright (c) Pydantic Services Inc. 2025 to present, MIT License, `
  + "and tools/model-facts.ts. Facts without warranty: the provider's word rules."
const rows = [...facts, ...generated]
const text = `{\n  "licence": ${JSON.stringify(licence)},\n  "rows": [\n${
  rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n")
}\n  ]\n}\n`
writeFileSync(join(import.meta.dirname, "../src/providers/models.json"), text)
process.stdout.write(`${rows.length} rows, ${text.length} bytes\n`)
