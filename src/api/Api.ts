/** The whole contract: what a client can import and what `/openapi.json` and `/docs` are made of. */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { AdminApi } from "./Admin.ts"
import { CompletionsApi } from "./Completions.ts"
import { HealthApi, MonitoringApi } from "./Health.ts"
import { KeysApi } from "./Keys.ts"
import { ModelsApi } from "./Models.ts"
import { UsageApi } from "./Usage.ts"

/** Objects of this contract are open: a member that is not named here is allowed. The framework's own notes are left out. */
const openObjects = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(openObjects)
  if (typeof node !== "object" || node === null) return node
  const entries = Object.entries(node).filter(([key]) => !key.startsWith("x-effect-")).map((
    [key, value]
  ): [string, unknown] => [
    key,
    key === "additionalProperties" && value === false ? true : openObjects(value)
  ])
  return Object.fromEntries(entries)
}

/** The HTTP contract of the gateway. */
export class Api extends HttpApi.make("breakwater")
  .add(CompletionsApi)
  .add(ModelsApi)
  .add(HealthApi)
  .add(MonitoringApi)
  .add(AdminApi)
  .add(UsageApi)
  .add(KeysApi)
  .annotateMerge(OpenApi.annotations({
    title: "Breakwater",
    version: "0.1.0",
    description:
      "An OpenAI-compatible gateway: retries, a circuit breaker per target and failover behind one endpoint. " +
      "Unknown members of a request are allowed and forwarded.",
    // The transformer is handed the document as an untyped record and must give one back.
    transform: (document) => ({ ...document, ...Object(openObjects(document)) })
  }))
{}
