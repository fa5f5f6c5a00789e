/** Every secret of the file, for the net under what is logged and told: nothing of it may stand in a line or an error. */
import * as Redacted from "effect/Redacted"
import { isSecretHeader } from "../observability/Redaction.ts"
import type { Settings } from "./Settings.ts"

const ofHeaders = (headers: Readonly<Record<string, string | Redacted.Redacted>>): ReadonlyArray<Redacted.Redacted> =>
  Object.entries(headers)
    .filter(([name]) => isSecretHeader(name))
    .map(([, value]) => typeof value === "string" ? Redacted.make(value) : value)

/** Keys of clients, of the operator and of providers, and headers that carry such. */
export const secretsOf = ({ providers, server, telemetry }: Settings): ReadonlyArray<Redacted.Redacted> => [
  ...server.keys.map(({ key }) => key),
  ...(server.adminKey === undefined ? [] : [server.adminKey]),
  ...(server.keySecret === undefined ? [] : [server.keySecret]),
  ...providers.flatMap(({ apiKeys, entraToken, headers, secretAccessKey, sessionToken }) => [
    ...apiKeys,
    ...[entraToken, secretAccessKey, sessionToken].filter((secret) => secret !== undefined),
    ...ofHeaders(headers)
  ]),
  ...ofHeaders(telemetry.otlp.headers)
]
