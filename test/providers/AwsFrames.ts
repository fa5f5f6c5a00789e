/** Writes AWS's event stream, for upstreams that answer in it. Its CRC is zlib's, not ours. */
import { crc32 } from "node:zlib"

const headerOf = (name: string, value: string): Buffer => {
  const length = Buffer.alloc(3)
  length.writeUInt8(7)
  length.writeUInt16BE(Buffer.byteLength(value), 1)
  return Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), length, Buffer.from(value)])
}

/** One frame of headers as bytes and a payload. */
export const rawFrame = (headers: Buffer, payload: Buffer): Buffer => {
  const frame = Buffer.alloc(12 + headers.length + payload.length + 4)
  frame.writeUInt32BE(frame.length, 0)
  frame.writeUInt32BE(headers.length, 4)
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8)
  headers.copy(frame, 12)
  payload.copy(frame, 12 + headers.length)
  frame.writeUInt32BE(crc32(frame.subarray(0, -4)), frame.length - 4)
  return frame
}

export const frameOf = (headers: Readonly<Record<string, string>>, payload: string): Buffer =>
  rawFrame(
    Buffer.concat(Object.entries(headers).map(([name, value]) => headerOf(name, value))),
    Buffer.from(payload)
  )

/** An event as Bedrock sends it. */
export const eventFrame = (type: string, payload: unknown): Buffer =>
  frameOf(
    { ":event-type": type, ":content-type": "application/json", ":message-type": "event" },
    JSON.stringify(payload)
  )

/** An exception inside a stream of status 200. */
export const exceptionFrame = (type: string, message: string): Buffer =>
  frameOf(
    { ":exception-type": type, ":content-type": "application/json", ":message-type": "exception" },
    JSON.stringify({ message })
  )
