/** Type, weight and size of an image in a data URI, read from its own bytes: what the simulated vision model sees. */
import { imageSizeOf } from "./ImageBytes.ts"

/** One line such as `image/png, 70 bytes, 1×1`; a remote image is named by its host and not fetched. */
export const describeImage = (url: string): string => {
  const found = /^data:([^;,]*)[^,]*;base64,/i.exec(url)
  if (found === null) {
    return URL.canParse(url) && !url.startsWith("data:")
      ? `remote image at ${new URL(url).host}, not fetched`
      : "unreadable image"
  }
  const bytes = Buffer.from(url.slice(found[0].length), "base64")
  const size = imageSizeOf(bytes)
  const dimensions = size === undefined ? "size unknown" : `${size.width}×${size.height}`
  return `${found[1] || "unknown type"}, ${bytes.length} bytes, ${dimensions}`
}
