import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { GatewayError } from "../../src/domain/GatewayError.ts"
import { CallerFault, CallerTransport } from "../../src/providers/CallerTransport.ts"
import { imageSizeOf, imageTypeOf } from "../../src/providers/ImageBytes.ts"
import { imageOfDataUri, Images, layer, layerNoDeps } from "../../src/providers/Images.ts"
import { UrlRefused } from "../../src/validation/Url.ts"

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")
const ascii = (text: string) => Buffer.from(text, "latin1")

const pngOf = (width: number, height: number) => {
  const bytes = Buffer.concat([ascii("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), Buffer.alloc(13)])
  bytes.writeUInt32BE(width, 16)
  bytes.writeUInt32BE(height, 20)
  return bytes
}
const webpOf = (kind: string, rest: string) => Buffer.concat([ascii(`RIFF....WEBP${kind}....`), hex(rest)])

const samples = {
  png: pngOf(2, 3),
  gif: ascii("GIF89a\x04\x00\x05\x00"),
  oldGif: ascii("GIF87a\x04\x00\x05\x00"),
  jpeg: hex("ffd8 ffe0 0004 0000 ffc0 000b 08 0007 0006 01011100"),
  paddedJpeg: hex("ffd8 ffff ffe0 0004 0000 ffc4 0002 ffc2 000b 08 0007 0006 01011100"),
  webpX: webpOf("VP8X", "00000000 080000 090000"),
  webpL: webpOf("VP8L", "2f 08400200 0000000000"),
  webp: webpOf("VP8 ", "000000 9d012a 0900 0a00")
}

const dataUri = (type: string, bytes: Uint8Array) =>
  `data:image/${type};base64,${Buffer.from(bytes).toString("base64")}`

describe("the bytes of an image", () => {
  it.each(
    [
      ["png", "image/png", 2, 3],
      ["gif", "image/gif", 4, 5],
      ["oldGif", "image/gif", 4, 5],
      ["jpeg", "image/jpeg", 6, 7],
      ["paddedJpeg", "image/jpeg", 6, 7],
      ["webpX", "image/webp", 9, 10],
      ["webpL", "image/webp", 9, 10],
      ["webp", "image/webp", 9, 10]
    ] as const
  )("say type and size: %s", (name, type, width, height) => {
    expect(imageTypeOf(samples[name])).toBe(type)
    expect(imageSizeOf(samples[name])).toEqual({ width, height })
  })

  it.each([
    ["nothing", ""],
    ["a page", "<!doctype html><html>"],
    ["SVG", "<svg xmlns='http://www.w3.org/2000/svg'/>"],
    ["XML", "<?xml version='1.0'?><svg/>"],
    ["PDF", "%PDF-1.7"],
    ["another RIFF", "RIFF....WAVEfmt "],
    ["a bitmap", "BM......"],
    ["a program", "MZ\x90\x00"],
    ["a cut signature", "\x89PNG"],
    ["a late signature", " GIF89a"]
  ])("of %s are no image", (_, text) => {
    expect(imageTypeOf(ascii(text))).toBeUndefined()
    expect(imageSizeOf(ascii(text))).toBeUndefined()
  })

  it("that are cut at any place never throw", () => {
    for (const bytes of Object.values(samples)) {
      for (let end = 0; end < bytes.length; end++) {
        const size = imageSizeOf(bytes.subarray(0, end))
        expect(size === undefined || size.width > 0).toBe(true)
      }
    }
  })
})

describe("a data URI", () => {
  it.each([
    ["png", dataUri("png", samples.png)],
    ["jpeg", dataUri("jpeg", samples.jpeg)],
    ["jpeg", dataUri("jpg", samples.jpeg)],
    ["gif", dataUri("gif", samples.gif)],
    ["webp", dataUri("webp", samples.webp)],
    ["png", dataUri("PNG", samples.png).replace("data:", "DATA:")],
    ["png", dataUri("png;charset=utf-8", samples.png)]
  ])("of %s gives its bytes", (type, uri) => {
    expect(imageOfDataUri(uri)).toMatchObject({ mediaType: `image/${type}` })
  })

  it.each([
    ["another type than its bytes", dataUri("png", samples.jpeg), "The image is image/jpeg and not image/png"],
    ["SVG", dataUri("svg+xml", ascii("<svg/>")), "no PNG, JPEG, GIF or WebP"],
    ["a page under a false name", dataUri("png", ascii("<html>")), "no PNG, JPEG, GIF or WebP"],
    ["no base64", "data:image/png,abc", "looks like"],
    ["text", "data:text/plain;base64,AAAA", "looks like"],
    ["no type", "data:;base64,AAAA", "looks like"],
    ["nothing", "data:image/png;base64,", "no PNG, JPEG, GIF or WebP"],
    ["broken base64", `${dataUri("png", samples.png).slice(0, -4)}!AAA`, "base64"],
    ["base64 with blanks", dataUri("png", samples.png).replace(",", ", "), "base64"],
    ["base64 without its padding", dataUri("gif", samples.gif).replace(/=+$/, ""), "base64"],
    ["base64 with padding inside", "data:image/png;base64,AA==AAAA", "base64"],
    ["URL-safe base64", "data:image/png;base64,_-__", "base64"],
    ["a cut image", dataUri("png", samples.png.subarray(0, 16)), "not complete"],
    ["an image without pixels", dataUri("png", pngOf(0, 9)), "not complete"],
    ["too many pixels", dataUri("png", pngOf(10_000, 5001)), "too many pixels"],
    ["a size beyond reason", dataUri("png", pngOf(2 ** 32 - 1, 2 ** 32 - 1)), "too many pixels"]
  ])("with %s is refused", (_, uri, message) => {
    expect(imageOfDataUri(uri)).toContain(message)
  })

  it("may have fifty million pixels and the bytes of the limit, and no more", () => {
    expect(imageOfDataUri(dataUri("png", pngOf(10_000, 5000)))).toMatchObject({ width: 10_000 })
    const image = Buffer.concat([samples.png, Buffer.alloc(100)])
    expect(imageOfDataUri(dataUri("png", image), image.length)).toMatchObject({ width: 2 })
    expect(imageOfDataUri(dataUri("png", image), image.length - 1)).toBe("The image is too large.")
    // Judged by its length before anything is decoded.
    expect(imageOfDataUri(`data:image/png;base64,${"!".repeat(1000)}`, 100)).toBe("The image is too large.")
  })
})

/** A transport that answers by URL, and the URLs that it was asked for. */
const transportOf = (answers: Readonly<Record<string, Uint8Array | CallerFault | UrlRefused>>) => {
  const asked: Array<string> = []
  const service = CallerTransport.of({
    get: (url, { sniff }) =>
      Effect.suspend(() => {
        asked.push(url)
        const answer = answers[url] ?? new CallerFault({ why: "status", detail: "404" })
        return "_tag" in answer
          ? Effect.fail(answer)
          : Effect.succeed({ mediaType: sniff(answer) ?? "", bytes: answer })
      })
  })
  return { asked, layer: Layer.succeed(CallerTransport, service) }
}

const param = "messages[0].content[0].image_url.url"
const reason = ({ reason }: GatewayError) => ({
  tag: reason._tag,
  status: reason.status,
  code: reason.errorCode,
  param: reason.param,
  message: reason.message
})

describe("an image of a caller", () => {
  it.effect("is not fetched unless that is switched on", () =>
    Effect.gen(function*() {
      const transport = transportOf({ "https://example.com/a.png": samples.png })
      const images = yield* Effect.provide(Images, Layer.provide(layerNoDeps(), transport.layer))
      const refused = yield* Effect.flip(images.load({ url: "https://example.com/a.png", param }))
      expect(reason(refused)).toMatchObject({ tag: "InvalidRequest", status: 400, code: "invalid_image_url", param })
      expect(refused.message).toContain("images.fetch")
      expect(transport.asked).toEqual([])
      expect(yield* images.load({ url: dataUri("png", samples.png) })).toMatchObject({ width: 2, height: 3 })
    }))

  it.effect("is fetched where it is, and its type and size are told by its bytes", () =>
    Effect.gen(function*() {
      const { layer: transport } = transportOf({ "https://example.com/a": samples.webp })
      const images = yield* Effect.provide(Images, Layer.provide(layerNoDeps({ fetch: true }), transport))
      expect(yield* images.load({ url: "https://example.com/a" })).toEqual({
        mediaType: "image/webp",
        width: 9,
        height: 10,
        bytes: samples.webp
      })
    }))

  it.effect("that cannot be had is one and the same 400 to the caller, and a line to us", () =>
    Effect.gen(function*() {
      const faults = [
        ...(["broken", "coding", "large", "redirects", "slow", "status", "type"] as const).map((why) =>
          new CallerFault({ why, detail: "ECONNREFUSED 10.1.2.3:22" })
        ),
        new UrlRefused({ rule: "address", detail: "10.1.2.3: private" }),
        new UrlRefused({ rule: "lookup", detail: "ENOTFOUND" })
      ]
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(JSON.stringify(message)))
      const told = yield* Effect.forEach(faults, (fault) => {
        const { layer: transport } = transportOf({ "https://example.com/a": fault })
        const loaded = Effect.flatMap(Images, (images) => images.load({ url: "https://example.com/a", param }))
        const images = Layer.provide(layerNoDeps({ fetch: true }), transport)
        return Effect.provide(Effect.flip(loaded), Layer.merge(images, Logger.layer([logger])))
      })
      expect(new Set(told.map((error) => JSON.stringify(reason(error)))).size).toBe(1)
      expect(told[0] === undefined ? undefined : reason(told[0])).toEqual({
        tag: "InvalidRequest",
        status: 400,
        code: "invalid_image_url",
        param,
        message: "The image at this URL could not be fetched."
      })
      expect(lines).toHaveLength(faults.length)
    }))

  it.effect("comes with at most nineteen others and 64 MiB in all", () =>
    Effect.gen(function*() {
      const big = Buffer.concat([samples.png, Buffer.alloc(17 * 1024 ** 2)])
      const { asked, layer: transport } = transportOf({ "https://example.com/big": big })
      const images = yield* Effect.provide(Images, Layer.provide(layerNoDeps({ fetch: true }), transport))
      const many = Array.from({ length: 21 }, () => ({ url: dataUri("png", samples.png) }))
      expect((yield* Effect.flip(images.loadAll(many))).message).toContain("20 images")
      expect(yield* images.loadAll(many.slice(1))).toHaveLength(20)
      const heavy = Array.from({ length: 4 }, () => ({ url: "https://example.com/big" }))
      expect(yield* images.loadAll(heavy.slice(1))).toHaveLength(3)
      expect((yield* Effect.flip(images.loadAll(heavy))).message).toContain("too large together")
      expect(asked).toHaveLength(7)
    }))
})

describe("the images of a request", () => {
  const url = (url: string) => ({ type: "image_url" as const, image_url: { url, detail: "low" as const } })
  const text = { type: "text" as const, text: "what is this?" }
  const requestOf = (...urls: ReadonlyArray<string>): ChatRequest => ({
    model: "m",
    messages: [{ role: "system", content: "s" }, { role: "user", content: [text, ...urls.map(url)] }]
  })
  const { asked, layer: transport } = transportOf({ "https://example.com/a": samples.gif })
  const images = Effect.provide(Images, Layer.provide(layerNoDeps({ fetch: true }), transport))

  it.effect("become data URIs, and all else stays", () =>
    Effect.gen(function*() {
      const kept = dataUri("png", samples.png)
      const inlined = yield* (yield* images).inlined(requestOf("https://example.com/a", kept, "s3://bucket/a"))
      expect(inlined).toEqual(requestOf(dataUri("gif", samples.gif), kept, "s3://bucket/a"))
    }))

  it.effect("leave a request without any as it is", () =>
    Effect.gen(function*() {
      asked.length = 0
      for (const request of [requestOf(), requestOf("s3://b/a"), requestOf(dataUri("png", samples.png))]) {
        expect(yield* (yield* images).inlined(request)).toBe(request)
      }
      expect(asked).toEqual([])
    }))

  it.effect("are named where one is refused", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(
        (yield* images).inlined(requestOf(dataUri("png", samples.png), "data:image/png"))
      )
      expect(refused.reason.param).toBe("messages[1].content[2].image_url.url")
    }))
})

describe("the whole of it", () => {
  it.effect("refuses what is not public before anything is asked or dialled", () =>
    Effect.gen(function*() {
      const images = yield* Images
      for (const url of ["http://127.0.0.1/", "http://[::1]/", "http://localhost/", "ftp://example.com/"]) {
        expect((yield* Effect.flip(images.load({ url }))).message).toBe("The image at this URL could not be fetched.")
      }
    }).pipe(Effect.provide(layer({ fetch: true }))))
})
