/**
 * The URLs inside a chat request that some upstream may fetch, judged as text before they are passed on untouched: no upstream of
 * ours is sent to an address that only a network's own machines can see. Nobody is asked here, so a name may still lead anywhere.
 */
import type { ChatRequest } from "../domain/Chat.ts"
import { checkUrl, publicPolicy, type UrlPolicy } from "./Url.ts"

/** Why a request is refused, as `error` of the answer says it. */
export interface ImageProblem {
  readonly message: string
  /** Such as `messages[0].content[1].image_url.url`. */
  readonly param: string
  readonly code: "invalid_image_url"
}

/** Signed URLs are long, and nothing is fetched here: four times what a fetch takes. */
const passedOn: UrlPolicy = { ...publicPolicy, maxLength: 4 * publicPolicy.maxLength }

/** Members that upstreams read a URL from: `image_url`, `video_url`, `url`, `fileUri`, … and some that hold bytes, an id or a URL. */
const isUrlMember = (name: string): boolean => /ur[il]$/i.test(name) || /^(?:file_data|file_id|data)$/.test(name)

/** A scheme, or a host without one; what is neither is an id or plain base64. */
const looksLikeUrl = /^\s*(?:[a-z][a-z0-9+.-]*:|[/\\]{2})/i

/** Storage of the upstream's own cloud, which only it can read. */
const isStored = /^(?:gs|s3):\/\//i

/** Types that are a program or a page, whatever they show. */
const active = /^(?:image\/svg|text\/|application\/(?:x?html|xml|x?-?javascript|ecmascript|xhtml))/i

/** Deep enough for every part that an upstream documents. */
const maxDepth = 4

const faultOfData = (url: string): string | undefined => {
  const found = /^data:([a-z]+\/[a-z0-9.+-]+)(?:;[a-z0-9-]+=[^;,]*)*;base64,/i.exec(url.slice(0, 256))
  if (found === null) return "is not a data URI with a media type and base64 content, such as data:image/png;base64,…"
  return active.test(found[1] ?? "") ? "holds a media type that is not taken as an image" : undefined
}

const faultOf = (member: string, text: string, policy: UrlPolicy): string | undefined => {
  if (/^data:/i.test(text)) return member === "image_url" ? faultOfData(text) : undefined
  if (isStored.test(text)) return undefined
  const checked = checkUrl(text, policy)
  return "rule" in checked ? checked.message : undefined
}

interface Place {
  readonly path: string
  /** The member of the part that the value belongs to, where its own name says nothing: `image_url` of `image_url.url`. */
  readonly member: string
  readonly depth: number
}

const judge = (value: unknown, at: Place, policy: UrlPolicy): ImageProblem | undefined => {
  if (typeof value !== "object" || value === null || at.depth > maxDepth) return undefined
  for (const [name, inner] of Object.entries(value)) {
    const path = Array.isArray(value) ? `${at.path}[${name}]` : `${at.path}.${name}`
    const member = name === "url" ? at.member : name
    if (typeof inner === "string") {
      if (!isUrlMember(name) || !looksLikeUrl.test(inner)) continue
      const fault = faultOf(member, inner, policy)
      if (fault !== undefined) {
        return {
          message: `Invalid '${path}': expected the URL of a public host or a data URI, but this one ${fault}.`,
          param: path,
          code: "invalid_image_url"
        }
      }
    } else {
      const found = judge(inner, { path, member, depth: at.depth + 1 }, policy)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/**
 * The first URL of a request that no upstream may be sent to. A message whose content is a text costs one look at its type.
 * @param hosts as in `UrlPolicy`; empty = every public host
 */
export const judgeImages = (
  { messages }: Pick<ChatRequest, "messages">,
  hosts: ReadonlyArray<string> = []
): ImageProblem | undefined => {
  for (const [index, { content }] of messages.entries()) {
    if (!Array.isArray(content)) continue
    const found = judge(
      content,
      { path: `messages[${index}].content`, member: "", depth: 0 },
      hosts.length === 0 ? passedOn : { ...passedOn, hosts }
    )
    if (found !== undefined) return found
  }
  return undefined
}
