/** A frame with text and nothing else, which is most of a stream: its chunk is parsed when somebody asks for it. */
import type { ChatChunk } from "../../domain/ChatAnswer.ts"
import type { Frame } from "../Provider.ts"

/** Bytes of `data: `, before the JSON of a frame. */
export const dataStart = "data: ".length

export class PlainFrame implements Frame {
  readonly bytes: Uint8Array
  readonly isContent = true
  readonly isTerminal = false
  readonly usage = undefined
  readonly isPlain = true

  readonly textBytes: number

  /** `bytes` are a chunk in OpenAI's form; `textBytes`: how many of them are its text, as JSON writes it. */
  constructor(bytes: Uint8Array, textBytes: number) {
    this.bytes = bytes
    this.textBytes = textBytes
  }

  get chunk(): ChatChunk {
    const text = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length).toString("utf8", dataStart)
    // Whoever makes the frame has written these bytes to the type, or found them to be of it.
    return JSON.parse(text) as ChatChunk
  }
}
