/**
 * One streamed answer of Gemini's as a state machine. Each event is a whole response with what is new in it, nothing says that the
 * answer is over but its finish reason, and the use that each event tells is that of all before it too.
 */
import type { Reason } from "../../domain/GatewayError.ts"
import { MalformedAnswer, StreamInterrupted } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { StreamMachine, StreamOptions } from "../Dialect.ts"
import type { Frame } from "../Provider.ts"
import { toReason } from "../ProviderError.ts"
import type { SseEvent } from "../Sse.ts"
import { ChunkWriter } from "./ChunkWriter.ts"
import { imagePart } from "./GeminiGenerateAnswer.ts"
import {
  callIdOf,
  finishOf,
  isBlocked,
  isCounted,
  isSilent,
  type Said,
  saidBy,
  searchesIn,
  tierOf,
  usageOf
} from "./GeminiGenerateSaid.ts"
import { isObject, isText, type JsonObject, parse } from "./OpenAiChatShape.ts"
import { mendUsage } from "./OpenAiUsage.ts"

/** Events that are no JSON and are passed over before the answer is given up. */
const toleratedEvents = 2

interface Choice {
  readonly index: number
  readonly writer: ChunkWriter
  hasSaid: boolean
}

export class GenerateStream implements StreamMachine {
  isDone = false
  failure: Reason | undefined
  used: Usage | undefined
  skippedEvents = 0

  private readonly options: StreamOptions
  private id: string
  private model: string | undefined
  private readonly choices = new Map<number, Choice>()
  /** The last event that told counts; they are read once. */
  private counted: JsonObject | undefined
  /** Which event tells them is not said; each tells all there were. */
  private searches = 0
  private hasSentUsage = false

  constructor(options: StreamOptions) {
    this.options = options
    this.id = options.fallback.id
  }

  /** Each candidate that was asked for has its finish reason. */
  get isComplete(): boolean {
    return this.isFinished && this.choices.size >= (this.options.choices ?? 1)
  }

  private get isFinished(): boolean {
    if (this.choices.size === 0) return false
    for (const { writer } of this.choices.values()) if (!writer.isFinished) return false
    return true
  }

  next(event: SseEvent, out: Array<Frame>): void {
    if (this.isDone || this.failure !== undefined) return
    const text = event.data.trim()
    if (text === "") return
    const value = parse(text)
    const said = Array.isArray(value) ? value[0] : value
    if (!isObject(said)) {
      this.skippedEvents++
      if (this.skippedEvents > toleratedEvents) {
        this.failure = new MalformedAnswer({ message: "The upstream's stream has events that are not JSON." })
      }
    } else if (isObject(said["error"]) || event.event === "error") {
      this.failure = toReason("gemini", { body: said, nowMs: this.options.fallback.nowMs })
    } else {
      this.readSafely(said, out)
    }
  }

  /** The body ended. Of several candidates some may never come. */
  end(out: Array<Frame>): void {
    if (this.isDone || this.failure !== undefined) return
    if (!this.isFinished) {
      this.failure = new StreamInterrupted({ message: "The upstream's stream ended before its answer was finished." })
      return
    }
    this.isDone = true
    this.sendUsage(out)
  }

  private readSafely(answer: JsonObject, out: Array<Frame>): void {
    try {
      this.read(answer, out)
    } catch {
      // Arguments that are nested so deeply that they cannot be written again.
      this.failure = new MalformedAnswer({ message: "The upstream's stream cannot be read." })
    }
  }

  private read(answer: JsonObject, out: Array<Frame>): void {
    if (this.choices.size === 0) {
      if (isText(answer["responseId"])) this.id = answer["responseId"]
      if (isText(answer["modelVersion"])) this.model = answer["modelVersion"]
    }
    if (isCounted(answer)) this.counted = answer
    this.searches = Math.max(this.searches, searchesIn(answer))
    const { candidates } = answer
    if (isBlocked(answer)) this.finish(this.choiceOf(0), "content_filter", out)
    for (const [at, candidate] of (Array.isArray(candidates) ? candidates : []).entries()) {
      if (isObject(candidate)) this.readCandidate(candidate, at, isSilent(answer), out)
      if (this.failure !== undefined) return this.noteUsed(answer)
    }
    if (this.isComplete) this.sendUsage(out)
  }

  private readCandidate(candidate: JsonObject, at: number, hasNoTokens: boolean, out: Array<Frame>): void {
    const choice = this.choiceOf(typeof candidate["index"] === "number" ? candidate["index"] : at)
    if (choice.writer.isFinished) return
    for (const said of saidBy(candidate)) this.say(choice, said, out)
    const finish = finishOf(candidate, 200)
    if (finish === undefined) return
    if (typeof finish !== "string") this.failure = finish
    else if (finish === "stop" && !choice.hasSaid && hasNoTokens) {
      this.failure = new MalformedAnswer({ message: "The upstream's answer has nothing in it.", upstreamStatus: 200 })
    } else {
      this.finish(choice, finish, out)
    }
  }

  private say(choice: Choice, said: Said, out: Array<Frame>): void {
    const { index, writer } = choice
    choice.hasSaid = true
    if (said.kind === "text") writer.text(said.text, out)
    else if (said.kind === "thinking") writer.reasoning(said.text, out)
    else if (said.kind === "image") writer.delta({ images: [imagePart(said.url)] }, out)
    else {
      const id = callIdOf(said, `call_${this.id}_${index}_${writer.callCount}`, this.options.fallback.model)
      writer.toolArguments(writer.toolStart(id, said.name, out), said.arguments, out)
    }
  }

  /** What ends one choice ends the answer only if the others have ended. */
  private finish({ writer }: Choice, reason: string, out: Array<Frame>): void {
    const from = out.length
    writer.finish(reason, out)
    if (this.isComplete) return
    for (const [at, frame] of out.entries()) if (at >= from) out[at] = { ...frame, isTerminal: false }
  }

  private choiceOf(index: number): Choice {
    const known = this.choices.get(index)
    if (known !== undefined) return known
    const choice = { index, writer: new ChunkWriter(this.options, index), hasSaid: false }
    choice.writer.begin({ id: this.id, model: this.model })
    this.choices.set(index, choice)
    return choice
  }

  /** What was counted last, for us alone: by a writer that has not finished. */
  tell(out: Array<Frame>): void {
    const usage = this.counted === undefined || this.hasSentUsage ? undefined : usageOf(this.counted, this.searches)
    if (this.counted === undefined || usage === undefined) return
    const writer = new ChunkWriter(this.options)
    writer.begin({ id: this.id, model: this.model })
    writer.usage(usage, out, tierOf(this.counted))
  }

  /** The last event of the only answer has counted all of it, though it came to nothing. */
  private noteUsed(answer: JsonObject): void {
    const usage = this.choices.size === 1 ? usageOf(answer, this.searches) : undefined
    if (usage !== undefined) this.used = mendUsage(usage, tierOf(answer))?.usage
  }

  /** The totals once; any writer may write them, because they are of all choices. */
  private sendUsage(out: Array<Frame>): void {
    const [choice] = this.choices.values()
    if (this.counted === undefined || this.hasSentUsage || choice === undefined) return
    this.hasSentUsage = true
    const usage = usageOf(this.counted, this.searches)
    if (usage !== undefined) choice.writer.usage(usage, out, tierOf(this.counted))
  }
}
