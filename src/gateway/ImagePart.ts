/** An image as a part of a message, its type told by its first bytes. */

const signatures: ReadonlyArray<readonly [mediaType: string, offset: number, bytes: ReadonlyArray<number>]> = [
  ["image/png", 0, [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", 0, [0xff, 0xd8, 0xff]],
  ["image/gif", 0, [0x47, 0x49, 0x46, 0x38]],
  ["image/webp", 8, [0x57, 0x45, 0x42, 0x50]]
]

/** The media type that the first bytes tell; undefined where they tell none. */
export const imageTypeOf = (bytes: Uint8Array): string | undefined =>
  signatures.find(([, offset, start]) => start.every((byte, index) => bytes[offset + index] === byte))?.[0]

/**
 * An image as a part of a user message. The type is read from the bytes (PNG, JPEG, GIF, WebP); pass `mediaType` for others.
 * `detail` is OpenAI's: `auto` unless given.
 */
export const imagePart = (
  bytes: Uint8Array,
  options?: { readonly mediaType?: string; readonly detail?: "auto" | "low" | "high" }
) => {
  const mediaType = options?.mediaType ?? imageTypeOf(bytes) ?? "application/octet-stream"
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
  return {
    type: "image_url" as const,
    image_url: {
      url: `data:${mediaType};base64,${base64}`,
      ...(options?.detail === undefined ? {} : { detail: options.detail })
    }
  }
}
