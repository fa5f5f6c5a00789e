/** The `telemetry` section as Layers: spans, metrics and lines, and what none of them may tell. */
import * as Layer from "effect/Layer"
import { Capture } from "../observability/Capture.ts"
import { CurrentConventions, profileOf } from "../observability/Conventions.ts"
import * as Logger from "../observability/Logger.ts"
import * as OtlpMetrics from "../observability/OtlpMetrics.ts"
import * as Redaction from "../observability/Redaction.ts"
import * as Tracing from "../observability/Tracing.ts"
import { correlate } from "../server/RequestLog.ts"
import { secretsOf } from "./Secrets.ts"
import type { Settings } from "./Settings.ts"
import { logSettings } from "./TelemetrySection.ts"

/** Everything that is told of this process and its requests. */
export const layer = (settings: Settings) =>
  Layer.mergeAll(
    Tracing.layer(settings.telemetry.otlp),
    OtlpMetrics.layer(settings.telemetry.otlp),
    Logger.layer(logSettings(settings.telemetry), correlate),
    Redaction.layer(secretsOf(settings)),
    Layer.succeed(Capture, settings.telemetry.capture),
    Layer.succeed(CurrentConventions, profileOf(settings.telemetry.otlp.conventions))
  )
