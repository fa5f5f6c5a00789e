/** What a message or a delta has beside its text: pages it cites (`annotations`) and images it made (`images`), read leniently. */
import type * as Response from "effect/ai/Response"

type Extra = Response.UrlSourcePartEncoded | Response.FilePartEncoded

const member = (holder: unknown, name: string): unknown =>
  typeof holder === "object" && holder !== null ? Object.entries(holder).find(([key]) => key === name)?.[1] : undefined

const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/** A page; undefined where it has no address, by which it is known. */
const sourceOf = (annotation: unknown): Response.UrlSourcePartEncoded | undefined => {
  const citation = member(annotation, "url_citation")
  const url = member(citation, "url")
  if (typeof url !== "string" || !URL.canParse(url)) return undefined
  const title = member(citation, "title")
  return { type: "source", sourceType: "url", id: url, url, title: typeof title === "string" ? title : "" }
}

/** An image; undefined where its bytes are not in the answer. */
const imageOf = (image: unknown): Response.FilePartEncoded | undefined => {
  const url = member(member(image, "image_url"), "url")
  const found = typeof url === "string" ? /^data:([^;,]+);base64,(.*)$/s.exec(url) : null
  return found?.[1] === undefined || found[2] === undefined
    ? undefined
    : { type: "file", mediaType: found[1], data: found[2] }
}

/** The parts that these members stand for, in their order. */
export const extrasOf = (said: object): ReadonlyArray<Extra> => {
  if (!("annotations" in said) && !("images" in said)) return []
  const sources = listOf(member(said, "annotations")).map(sourceOf)
  const images = listOf(member(said, "images")).map(imageOf)
  return [...sources, ...images].filter((part) => part !== undefined)
}
