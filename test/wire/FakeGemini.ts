/**
 * The upstream of `test/dialects` where Gemini is asked: its model knows one function, `get_tide`, calls it for two harbours at once
 * and then tells what it heard; by other names it is busy, blocks the prompt, or dies in the middle.
 */
import type { IncomingHttpHeaders } from "node:http"
import { speakRaw } from "../dialects/Gemini.ts"
import type { Saying, Trouble } from "../dialects/Meaning.ts"
import * as Upstream from "../dialects/Upstream.ts"

export interface Asked {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  // Gemini's requests, read by hand.
  readonly body: any
}

export interface FakeGemini {
  /** Without the version's part. */
  readonly origin: string
  readonly asked: ReadonlyArray<Asked>
  readonly close: () => Promise<void>
}

export const goodKey = Upstream.goodKey
export const signature = Upstream.states.gemini

const thought = { text: "Hm, depth…", state: signature }

const model = ({ meaning, model, stream }: Upstream.Heard): Saying | Trouble | ReturnType<typeof speakRaw> => {
  if (model === "gemini-busy") return { status: 429, message: "You exceeded your current quota.", retryAfterMs: 30_000 }
  if (model === "gemini-dies") return { status: 503, after: { thought, text: "Four " } }
  if (model === "gemini-blocked" && !stream) return speakRaw({ promptFeedback: { blockReason: "SAFETY" } })
  const results = meaning.turns.at(-1)?.parts.flatMap((part) => part.kind === "result" ? [String(part.value)] : []) ??
    []
  if (results.length > 0) return { text: `The tides: ${results.join(" ")}` }
  if (meaning.tools.length === 0) return { thought, text: "Four mètres 😀." }
  const call = (harbour: string) => ({ id: "", name: "get_tide", input: { harbour } })
  return { calls: [{ ...call("Whitby"), state: signature }, call("Hull")] }
}

/** Listens on a free port. */
export const start = async (): Promise<FakeGemini> => {
  const upstream = await Upstream.start(model)
  const root = new URL(upstream.baseUrl("gemini")).pathname.replace(/\/v1beta$/, "")
  return {
    origin: upstream.baseUrl("gemini").replace(/\/v1beta$/, ""),
    get asked() {
      return upstream.heard.map(({ asked: { body, headers, path } }) => ({
        path: path.slice(root.length),
        headers,
        body: JSON.parse(body)
      }))
    },
    close: upstream.close
  }
}
