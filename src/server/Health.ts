/** Health for people, probes for Kubernetes, monitoring for the operator. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Api } from "../api/Api.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { RouteNotFound } from "../domain/GatewayError.ts"
import { Health } from "../gateway/Health.ts"
import { judgeAdmin } from "./Authorization.ts"
import { includeDoor } from "./DoorComponents.ts"
import { CurrentExchange } from "./Exchange.ts"
import * as MonitoringFeed from "./MonitoringFeed.ts"
import { ServerOptions } from "./ServerSettings.ts"

const answer = (body: unknown, status: number, contentType = "application/json") =>
  HttpServerResponse.text(JSON.stringify(body), { status, contentType, headers: { "cache-control": "no-store" } })

const probe = (phase: string, isPassing: boolean) =>
  answer({ status: isPassing ? "pass" : "fail", phase }, isPassing ? 200 : 503)

/** Public health and probes. Without the admin key a component shows its name and status only. */
export const layer = HttpApiBuilder.group(Api, "health", (handlers) =>
  Effect.gen(function*() {
    const health = yield* Health
    const settings = yield* ServerOptions
    yield* includeDoor
    return handlers
      .handle("overall", ({ request }) =>
        Effect.gen(function*() {
          const { components, status } = yield* health.overall
          const isOperator = judgeAdmin(settings, request.method, request.headers) === undefined
          const shown = isOperator ? components : components.map(({ component, status }) => ({ component, status }))
          const checks = isOperator
            ? yield* health.checks
            : Object.fromEntries(
              shown.map(({ component, status }) => [component, [{ componentId: component, status }]])
            )
          const body = { status, serviceId: "breakwater", components: shown, checks }
          return answer(body, status === "fail" ? 503 : 200, "application/health+json")
        }))
      .handle("live", () => Effect.map(health.phase, (phase) => probe(phase, true)))
      .handle("ready", () => Effect.map(health.phase, (phase) => probe(phase, phase === "ready")))
      .handle("startup", () => Effect.map(health.phase, (phase) => probe(phase, phase !== "starting")))
  }))

const unknownRequest = new RouteNotFound({
  message: "No request with this id is remembered here. The log has one line for each, by breakwater.request.id.",
  code: "request_not_found",
  param: "id"
})

/** Everything the dashboard shows. */
export const layerMonitoring = HttpApiBuilder.group(Api, "monitoring", (handlers) =>
  Effect.gen(function*() {
    const health = yield* Health
    const feed = yield* MonitoringFeed.make
    return handlers
      .handle("monitoring", () => Effect.map(health.monitoring, (value) => answer(value, 200)))
      .handleRaw("stream", () => Effect.succeed(feed))
      .handle("request", ({ params }) =>
        Effect.flatMap(health.find(params.id), (record) =>
          record === undefined
            ? Effect.map(
              CurrentExchange,
              ({ requestId }) => errorResponse(unknownRequest, { "x-request-id": requestId })
            )
            : Effect.succeed(answer(record, 200))))
  }))
