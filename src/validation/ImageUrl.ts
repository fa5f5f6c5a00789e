/**
 * The URLs inside a chat request that some upstream may fetch, judged as text before they are passed on untouched: no upstream of
 * ours is sent to an address that only a network's own machines can see. Nobody is asked here, so a name may still lead anywhere.
 */
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
const isUrlMember = (name: string): boolean =>
  /ur[il]$/i.test(name) || /^(?:file_data|file_id|data|image|video|audio)$/i.test(name)

/** A scheme, or a host without one; what is neither is an id or plain base64. */
const looksLikeUrl = /^\s*(?:[a-z][a-z0-9+.-]*:|[/\\]{2})/i

/** Storage of a cloud, which an upstream reads with the operator's own account. */
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
  if (isStored.test(text)) return "is read with the account of whoever runs the gateway"
  const checked = checkUrl(text, policy)
  return "rule" in checked ? checked.message : undefined
}

interface Found {
  /** From the value on, such as `[1].image_url.url`. */
  readonly path: string
  readonly fault: string
}

/**
 * The first fault below a value. `member` is what the value is of, where its own name says nothing: `image_url` of
 * `image_url.url`, `video` of the frames in its list. Paths are put together on the way back, for most requests have no fault.
 */
const judge = (value: object, member: string, depth: number, policy: UrlPolicy): Found | undefined => {
  const isList = Array.isArray(value)
  for (const [name, inner] of Object.entries(value)) {
    const own = isList || name === "url" ? member : name
    const found = typeof inner === "string"
      ? judgeText(inner, isList ? member : name, own, policy)
      : typeof inner === "object" && inner !== null && depth < maxDepth
      ? judge(inner, own, depth + 1, policy)
      : undefined
    if (found !== undefined) {
      return { path: `${isList ? `[${name}]` : `.${name}`}${found.path}`, fault: found.fault }
    }
  }
  return undefined
}

const judgeText = (text: string, name: string, member: string, policy: UrlPolicy): Found | undefined => {
  if (!isUrlMember(name) || !looksLikeUrl.test(text)) return undefined
  const fault = faultOf(member, text, policy)
  return fault === undefined ? undefined : { path: "", fault }
}

/** The parts of a message; `images` is where some dialects put those of an earlier answer. */
const judgeMember = (
  message: unknown,
  name: "content" | "images",
  hosts: ReadonlyArray<string>
): Found | undefined => {
  if (typeof message !== "object" || message === null) return undefined
  const inImages: unknown = "images" in message ? message.images : undefined
  const parts: unknown = name === "images" ? inImages : "content" in message ? message.content : undefined
  if (!Array.isArray(parts)) return undefined
  const found = judge(parts, "", 0, hosts.length === 0 ? passedOn : { ...passedOn, hosts })
  return found === undefined ? undefined : { path: `${name}${found.path}`, fault: found.fault }
}

const problemAt = ({ fault, path }: Found): ImageProblem => ({
  message: `Invalid '${path}': expected the URL of a public host or a data URI, but this one ${fault}.`,
  param: path,
  code: "invalid_image_url"
})

/** Servers that an upstream is to ask in the course of its answer. Of tools that the caller runs itself a URL is but a word. */
const judgeServers = (tools: unknown, name: string): ImageProblem | undefined => {
  if (!Array.isArray(tools)) return undefined
  for (let index = 0; index < tools.length; index++) {
    const tool: unknown = tools[index]
    if (typeof tool !== "object" || tool === null || "function" in tool || "custom" in tool) continue
    const found = judge(tool, "", 1, passedOn)
    if (found !== undefined) return problemAt({ path: `${name}[${index}]${found.path}`, fault: found.fault })
  }
  return undefined
}

/**
 * The first URL of a request that no upstream may be sent to. A message whose content is a text costs one look at its type.
 * @param hosts as in `UrlPolicy`; empty = every public host
 */
export const judgeImages = (
  { mcp_servers: servers, messages, tools }: {
    readonly messages: ReadonlyArray<unknown>
    readonly tools?: unknown
    readonly mcp_servers?: unknown
  },
  hosts: ReadonlyArray<string> = []
): ImageProblem | undefined => {
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index]
    const found = judgeMember(message, "content", hosts) ?? judgeMember(message, "images", hosts)
    if (found !== undefined) return problemAt({ path: `messages[${index}].${found.path}`, fault: found.fault })
  }
  return judgeServers(tools, "tools") ?? judgeServers(servers, "mcp_servers")
}
