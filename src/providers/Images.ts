/**
 * The bytes of an image for an upstream that takes no URL: out of a data URI, or fetched where the operator has switched that on.
 * Off by default, because a gateway that fetches what strangers write is a way into its own network.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ChatRequest, ContentPart } from "../domain/Chat.ts"
import { type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import * as Url from "../validation/Url.ts"
import * as CallerTransport from "./CallerTransport.ts"
import { imageSizeOf, type ImageType, imageTypeOf, type Size } from "./ImageBytes.ts"
import { defaultImagesSettings, type ImagesSettings } from "./ImagesSettings.ts"
import * as NameLookup from "./NameLookup.ts"

/** Pixels of one image: 50 megapixels decode to 200 MB. */
const maxPixels = 50_000_000

/** Images of one request, and bytes of them all: what upstreams take at most. */
const maxImages = 20
const maxTotalBytes = 64 * 1024 ** 2

/** An image whose bytes have the type and the size that it says. */
export interface Image extends Size {
  readonly mediaType: ImageType
  readonly bytes: Uint8Array
}

/** Where an image stands in a request; `param` such as `messages[0].content[1].image_url.url`. */
export interface ImageSource {
  readonly url: string
  readonly param?: string | undefined
}

const refusal = (param: string | undefined, message: string): GatewayError =>
  gatewayError(new InvalidRequest({ message, param, code: "invalid_image_url" }))

const imageOf = (bytes: Uint8Array, maxBytes: number): Image | string => {
  const mediaType = imageTypeOf(bytes)
  if (bytes.byteLength > maxBytes) return "The image is too large."
  if (mediaType === undefined) return "The data is no PNG, JPEG, GIF or WebP image."
  const size = imageSizeOf(bytes)
  if (size === undefined || size.width === 0 || size.height === 0) return "The image is not complete."
  return size.width * size.height > maxPixels ? "The image has too many pixels." : { ...size, mediaType, bytes }
}

/** The image of a data URI, or what is wrong with it. Its declared type must be the one that its bytes show. */
export const imageOfDataUri = (url: string, maxBytes = defaultImagesSettings.maxSize): Image | string => {
  const found = /^data:(image\/[a-z0-9.+-]+)(?:;[a-z0-9-]+=[^;,]*)*;base64,/i.exec(url.slice(0, 256))
  if (found === null) return "A data URI of an image looks like data:image/png;base64,…"
  const start = found[0].length
  if ((url.length - start) * 0.75 > maxBytes + 3) return "The image is too large."
  const payload = url.slice(start)
  const bytes = Buffer.from(payload, "base64")
  const padding = payload.endsWith("==") ? 2 : payload.endsWith("=") ? 1 : 0
  // Node's decoder passes over what is no base64, so the lengths tell.
  if (bytes.length !== payload.length / 4 * 3 - padding || /[-_]/.test(payload)) {
    return "The data of the image is not valid base64."
  }
  const image = imageOf(bytes, maxBytes)
  const declared = found[1]?.toLowerCase().replace(/^image\/jpg$/, "image/jpeg") ?? ""
  return typeof image === "string" || image.mediaType === declared
    ? image
    : `The image is ${image.mediaType} and not ${declared}, as its data URI says.`
}

/**
 * Fails with a 400 for the caller: that the URL is refused, that fetching is off, or one sentence for all that can go wrong on the
 * way, because more of it would map the network. No retry and no other target can help.
 */
export class Images extends Context.Service<Images, {
  readonly load: (source: ImageSource) => Effect.Effect<Image, GatewayError>
  /** In their order; together no more than 20 images and 64 MiB. */
  readonly loadAll: (sources: ReadonlyArray<ImageSource>) => Effect.Effect<ReadonlyArray<Image>, GatewayError>
  /**
   * The request with every image as a data URI whose bytes are what it says; the same request where it has none to fetch. An image
   * in the upstream's own storage (`s3:`, `gs:`) stays as it is.
   */
  readonly inlined: (request: ChatRequest) => Effect.Effect<ChatRequest, GatewayError>
}>()("breakwater/providers/Images") {}

const isOff = "This model takes images as data URIs only. Send data:image/png;base64,… in place of a URL, " +
  "or have the operator set images.fetch."

/** The images of a request that are bytes or can be fetched. */
const sourcesOf = ({ messages }: ChatRequest): ReadonlyArray<Required<ImageSource>> =>
  messages.flatMap(({ content }, index) =>
    !Array.isArray(content) ? [] : content.flatMap((part, at) => {
      const url = imageUrlOf(part)
      return url === undefined ? [] : [{ url, param: `messages[${index}].content[${at}].image_url.url` }]
    })
  )

const imageUrlOf = (part: ContentPart): string | undefined =>
  part.type === "image_url" && "image_url" in part && /^(?:https?|data):/i.test(part.image_url.url)
    ? part.image_url.url
    : undefined

const dataUriOf = ({ bytes, mediaType }: Image): string =>
  `data:${mediaType};base64,${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")}`

/** The same request with the fetched ones in place of their URLs. */
const withImages = (
  request: ChatRequest,
  sources: ReadonlyArray<ImageSource>,
  images: ReadonlyArray<Image>
): ChatRequest => {
  const fetched = new Map<string, string>()
  sources.forEach(({ url }, index) => {
    const image = images[index]
    if (image !== undefined && !/^data:/i.test(url)) fetched.set(url, dataUriOf(image))
  })
  if (fetched.size === 0) return request
  const partOf = (part: ContentPart): ContentPart => {
    const url = fetched.get(imageUrlOf(part) ?? "")
    return url !== undefined && part.type === "image_url" && "image_url" in part
      ? { ...part, image_url: { ...part.image_url, url } }
      : part
  }
  const messages = request.messages.map((message) =>
    Array.isArray(message.content) ? { ...message, content: message.content.map(partOf) } : message
  )
  // Mapped one to one, so the roles and what their contents may hold are as they were.
  return { ...request, messages: messages as unknown as ChatRequest["messages"] }
}

const mediaTypes: ReadonlySet<string> = new Set<ImageType>(["image/png", "image/jpeg", "image/gif", "image/webp"])

const make = (settings: ImagesSettings, transport: CallerTransport.CallerTransport["Service"]): Images["Service"] => {
  const get = ({ param, url }: ImageSource): Effect.Effect<Image, GatewayError> =>
    Effect.matchEffect(transport.get(url, { mediaTypes, sniff: imageTypeOf, maxBytes: settings.maxSize }), {
      onSuccess: ({ bytes }) => {
        const image = imageOf(bytes, settings.maxSize)
        return typeof image === "string" ? Effect.fail(refusal(param, image)) : Effect.succeed(image)
      },
      onFailure: (fault) => {
        const isOurs = fault._tag === "UrlRefused"
        return Effect.logInfo("an image of a caller was not fetched").pipe(
          Effect.annotateLogs({ why: isOurs ? fault.rule : fault.why, detail: fault.detail ?? "" }),
          Effect.andThen(Effect.fail(refusal(param, "The image at this URL could not be fetched.")))
        )
      }
    })
  const load = (source: ImageSource): Effect.Effect<Image, GatewayError> => {
    const { param, url } = source
    if (!/^data:/i.test(url)) return settings.fetch ? get(source) : Effect.fail(refusal(param, isOff))
    const image = imageOfDataUri(url, settings.maxSize)
    return typeof image === "string" ? Effect.fail(refusal(param, image)) : Effect.succeed(image)
  }
  const loadAll = Effect.fnUntraced(function*(sources: ReadonlyArray<ImageSource>) {
    if (sources.length > maxImages) {
      return yield* Effect.fail(refusal("messages", `A request may hold ${maxImages} images at most.`))
    }
    let total = 0
    return yield* Effect.forEach(sources, (source) =>
      Effect.flatMap(load(source), (image) => {
        total += image.bytes.byteLength
        return total > maxTotalBytes
          ? Effect.fail(refusal(source.param, "The images of this request are too large together."))
          : Effect.succeed(image)
      }), { concurrency: 4 })
  })
  const inlined = (request: ChatRequest): Effect.Effect<ChatRequest, GatewayError> => {
    const sources = sourcesOf(request)
    return sources.length === 0
      ? Effect.succeed(request)
      : Effect.map(loadAll(sources), (images) => withImages(request, sources, images))
  }
  return { load, loadAll, inlined }
}

/** Over a transport and a guard of one's own. */
export const layerNoDeps = (
  overrides: Partial<ImagesSettings> = {}
): Layer.Layer<Images, never, CallerTransport.CallerTransport> =>
  Layer.effect(
    Images,
    Effect.map(CallerTransport.CallerTransport, (transport) =>
      make({ ...defaultImagesSettings, ...overrides }, transport))
  )

/** @param overrides changes to `defaultImagesSettings` */
export const layer = (overrides: Partial<ImagesSettings> = {}): Layer.Layer<Images> =>
  layerNoDeps(overrides).pipe(
    Layer.provide(CallerTransport.layer()),
    Layer.provide(Url.layer({ hosts: overrides.hosts ?? [] })),
    Layer.provide(NameLookup.layer())
  )
