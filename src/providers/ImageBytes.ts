/** Type and size of an image, read from its own first bytes and never from what somebody says. Nothing is decoded. */

/** The types that upstreams with eyes have in common. */
export type ImageType = "image/png" | "image/jpeg" | "image/gif" | "image/webp"

export interface Size {
  readonly width: number
  readonly height: number
}

const ascii = (bytes: Buffer, start: number, end: number): string => bytes.toString("latin1", start, end)

/** The type that the first 12 bytes show; undefined = none of these. */
export const imageTypeOf = (head: Uint8Array): ImageType | undefined => {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  if (ascii(bytes, 0, 8) === "\x89PNG\r\n\x1a\n") return "image/png"
  if (ascii(bytes, 0, 3) === "\xff\xd8\xff") return "image/jpeg"
  if (/^GIF8[79]a$/.test(ascii(bytes, 0, 6))) return "image/gif"
  return ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP" ? "image/webp" : undefined
}

const pngSize = (bytes: Buffer): Size | undefined =>
  bytes.length >= 24 && ascii(bytes, 12, 16) === "IHDR"
    ? { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
    : undefined

const gifSize = (bytes: Buffer): Size | undefined =>
  bytes.length >= 10 ? { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) } : undefined

const webpSize = (bytes: Buffer): Size | undefined => {
  if (bytes.length < 30) return undefined
  switch (ascii(bytes, 12, 16)) {
    case "VP8X":
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
    case "VP8L": {
      const bits = bytes.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case "VP8 ":
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff }
    default:
      return undefined
  }
}

/** Walks the segments to the start of frame: C0–CF, without the tables C4, C8 and CC. */
const jpegSize = (bytes: Buffer): Size | undefined => {
  let at = 2
  while (at + 9 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0
    if (marker === 0xff) {
      at += 1
    } else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) }
    } else {
      at += 2 + bytes.readUInt16BE(at + 2)
    }
  }
  return undefined
}

const sizes: Readonly<Record<ImageType, (bytes: Buffer) => Size | undefined>> = {
  "image/png": pngSize,
  "image/jpeg": jpegSize,
  "image/gif": gifSize,
  "image/webp": webpSize
}

/** Pixels across and down; undefined = the image is of no known type or too short to say. */
export const imageSizeOf = (image: Uint8Array): Size | undefined => {
  const type = imageTypeOf(image)
  return type === undefined
    ? undefined
    : sizes[type](Buffer.from(image.buffer, image.byteOffset, image.byteLength))
}
