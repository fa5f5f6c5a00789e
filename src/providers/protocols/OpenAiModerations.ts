/** OpenAI's moderations: texts up, and for each the categories that it was flagged for. */
import { MalformedAnswer, type Reason } from "../../domain/GatewayError.ts"
import type { Moderations } from "../Dialect.ts"
import type { Moderation, ModerationCall } from "../Provider.ts"
import { isObject, type Json, parse } from "./OpenAiChatShape.ts"

/** What a category may be called; other names are not told to anybody. */
const isCategory = (name: string): boolean => /^[\w /-]{1,64}$/.test(name)

const flaggedFor = (result: Json): ReadonlyArray<string> | undefined => {
  if (!isObject(result) || result["flagged"] !== true) return undefined
  const categories = result["categories"]
  return isObject(categories)
    ? Object.keys(categories).filter((name) => categories[name] === true && isCategory(name))
    : []
}

const isResult = (result: Json): boolean => isObject(result) && typeof result["flagged"] === "boolean"

/** A body of status 200 to a judgement of each text, or to the reason that it is none. */
const readAnswer = (text: string, { input }: ModerationCall): Moderation | Reason => {
  const value = parse(text)
  const results = isObject(value) ? value["results"] : undefined
  return Array.isArray(results) && results.length === input.length && results.every(isResult)
    ? results.map(flaggedFor)
    : new MalformedAnswer({ message: "The upstream's answer is no judgement of each text.", upstreamStatus: 200 })
}

export const moderations: Moderations = {
  lower: ({ input, model }) => ({ body: JSON.stringify({ model, input }) }),
  readAnswer
}
