/** The JSON schema that an answer is to keep to, for dialects that have no place beside it to say what it is for. */
import type { ChatRequest } from "../../domain/Chat.ts"
import { isText, type JsonObject } from "./OpenAiChatShape.ts"

/** With what it is for as its description; undefined where none is asked for. */
export const answerSchema = ({ response_format: format }: Pick<ChatRequest, "response_format">) => {
  if (format?.type !== "json_schema" || !format.json_schema.schema) return undefined
  // A schema is JSON of the caller's, checked to be an object.
  const schema = format.json_schema.schema as JsonObject
  const { description } = format.json_schema
  if (!isText(description)) return schema
  const own = schema["description"]
  return { ...schema, description: isText(own) && own !== description ? `${description}\n\n${own}` : description }
}
