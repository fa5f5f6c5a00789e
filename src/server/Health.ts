/** Health for people, probes for Kubernetes, monitoring for the operator. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Api } from "../api/Api.ts"
import { type ComponentHealth, Health } from "../gateway/Health.ts"
import { Exporter } from "../observability/Export.ts"
import type { ExportState } from "../observability/ExportQueue.ts"
import * as Tracing from "../observability/Tracing.ts"
import { judgeAdmin } from "./Authorization.ts"
import { ServerOptions } from "./ServerSettings.ts"

const answer = (body: unknown, status: number) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })

const probe = (phase: string, isPassing: boolean) =>
  answer({ status: isPassing ? "pass" : "fail", phase }, isPassing ? 200 : 503)

const unknown: ExportState = { queued: 0, exported: 0, dropped: 0, failure: undefined }

const described = (destination: string, { dropped, exported, failure, queued }: ExportState): ComponentHealth => ({
  component: "telemetry",
  status: failure === undefined ? "pass" : "warn",
  output: `traces go to ${destination}: ${exported} spans exported, ${queued} waiting, ${dropped} dropped${
    failure === undefined ? "" : `; ${failure}`
  }`
})

/** Where traces go is a component of its own, there only when it is set; an exporter that fails harms no answer, so it warns. */
const telemetry = Effect.gen(function*() {
  const destination = yield* Tracing.Destination
  const exporter = yield* Exporter
  return (): ReadonlyArray<ComponentHealth> =>
    destination === undefined ? [] : [described(destination, exporter?.() ?? unknown)]
})

/** Public health and probes. Without the admin key a component shows its name and status only. */
export const layer = HttpApiBuilder.group(Api, "health", (handlers) =>
  Effect.gen(function*() {
    const health = yield* Health
    const settings = yield* ServerOptions
    const own = yield* telemetry
    return handlers
      .handle("overall", ({ request }) =>
        Effect.map(health.overall, ({ components, status }) => {
          const isOperator = judgeAdmin(settings, request.method, request.headers) === undefined
          const all = [...components, ...own()]
          const shown = isOperator ? all : all.map(({ component, status }) => ({ component, status }))
          return answer({ status, components: shown }, status === "fail" ? 503 : 200)
        }))
      .handle("live", () => Effect.map(health.phase, (phase) => probe(phase, true)))
      .handle("ready", () => Effect.map(health.phase, (phase) => probe(phase, phase === "ready")))
      .handle("startup", () => Effect.map(health.phase, (phase) => probe(phase, phase !== "starting")))
  }))

/** Everything the dashboard shows. */
export const layerMonitoring = HttpApiBuilder.group(Api, "monitoring", (handlers) =>
  Effect.gen(function*() {
    const health = yield* Health
    const own = yield* telemetry
    return handlers.handle("monitoring", () =>
      Effect.map(health.monitoring, (value) => {
        const { components } = value
        return answer(Array.isArray(components) ? { ...value, components: [...components, ...own()] } : value, 200)
      }))
  }))
