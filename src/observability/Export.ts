/** What both exporters are told, and what they tell; apart from `Tracing.ts`, which loads them late. */
import * as Context from "effect/Context"
import type { CollectorOptions } from "./Collector.ts"
import type { ExportState } from "./ExportQueue.ts"

export interface ExportOptions extends CollectorOptions {
  readonly protocol: "http/protobuf" | "http/json"
  /** Longest wait of a span, in milliseconds. */
  readonly intervalMs: number
  /** Spans that are sent at once. */
  readonly batch: number
  /** Spans that may wait. */
  readonly capacity: number
  /** For what is left when the layer closes, in milliseconds. */
  readonly shutdownMs: number
  /** Attributes of this process. */
  readonly resource:
    & { readonly "service.name": string; readonly "service.version": string }
    & Readonly<Record<string, string>>
}

/** Who made the spans. */
export const scope = { name: "breakwater", version: "0.1.0" } as const

/** Where a receiver with this base URL takes a kind of signal; the URL of one kind does as well. */
export const signalUrl = (endpoint: string, signal: "traces" | "metrics"): string =>
  `${endpoint.replace(/\/+$/, "").replace(/\/v1\/(?:traces|metrics)$/, "")}/v1/${signal}`

/** How the export goes; undefined where there is none. */
export const Exporter = Context.Reference<(() => ExportState) | undefined>(
  "breakwater/observability/Export/Exporter",
  { defaultValue: () => undefined }
)
