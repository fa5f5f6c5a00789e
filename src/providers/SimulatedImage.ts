/** Type, weight and size of an image in a data URI, read from its own bytes: what the simulated vision model sees. */

interface Size {
  readonly width: number
  readonly height: number
}

const ascii = (bytes: Buffer, start: number, end: number): string => bytes.toString("latin1", start, end)

const pngSize = (bytes: Buffer): Size | undefined =>
  bytes.length >= 24 && ascii(bytes, 1, 4) === "PNG"
    ? { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
    : undefined

const gifSize = (bytes: Buffer): Size | undefined =>
  bytes.length >= 10 && ascii(bytes, 0, 4) === "GIF8"
    ? { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) }
    : undefined

const webpSize = (bytes: Buffer): Size | undefined => {
  if (bytes.length < 30 || ascii(bytes, 0, 4) !== "RIFF" || ascii(bytes, 8, 12) !== "WEBP") return undefined
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
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return undefined
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

/** One line such as `image/png, 70 bytes, 1×1`; a remote image is named by its host and not fetched. */
export const describeImage = (url: string): string => {
  const found = /^data:([^;,]*)[^,]*;base64,/i.exec(url)
  if (found === null) {
    return URL.canParse(url) && !url.startsWith("data:")
      ? `remote image at ${new URL(url).host}, not fetched`
      : "unreadable image"
  }
  const bytes = Buffer.from(url.slice(found[0].length), "base64")
  const size = pngSize(bytes) ?? gifSize(bytes) ?? webpSize(bytes) ?? jpegSize(bytes)
  const dimensions = size === undefined ? "size unknown" : `${size.width}×${size.height}`
  return `${found[1] || "unknown type"}, ${bytes.length} bytes, ${dimensions}`
}
