/** Gemini's server-sent events, and the error that some of its servers put behind them as it is: JSON in lines without `data:`. */
import type { EventParser } from "../Dialect.ts"
import { type SseEvent, SseParser } from "../Sse.ts"
import { isObject, parse } from "./OpenAiChatShape.ts"

/** Bytes of what may be such an error; one is much smaller. */
const maxHeldBytes = 64 * 1024

export class GenerateEvents implements EventParser {
  private readonly sse = new SseParser()
  /** What came with the last event and since. */
  private held: Array<Uint8Array> = []
  private heldBytes = 0

  get isTooLarge(): boolean {
    return this.sse.isTooLarge
  }

  get isIdle(): boolean {
    return this.sse.isIdle
  }

  push(chunk: Uint8Array): ReadonlyArray<SseEvent> {
    const events = this.sse.push(chunk)
    if (events.length > 0 || this.heldBytes > maxHeldBytes) {
      this.held = []
      this.heldBytes = 0
    }
    this.held.push(chunk)
    this.heldBytes += chunk.length
    return events
  }

  end(): ReadonlyArray<SseEvent> {
    const events = this.sse.end()
    const last = Buffer.concat(this.held).toString().trimEnd().split(/\r?\n\r?\n/).at(-1) ?? ""
    const value = parse(last)
    const said = Array.isArray(value) ? value[0] : value
    if (!isObject(said) || !isObject(said["error"])) return events
    return [...events, { event: "error", data: JSON.stringify(said), bytes: undefined }]
  }
}
