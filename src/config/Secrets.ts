/** Every secret of the file, for the net under what is logged and told: nothing of it may stand in a line or an error. */
import * as Redacted from "effect/Redacted"
import { isSecretHeader } from "../observability/Redaction.ts"
import type { Settings } from "./Settings.ts"

const ofHeaders = (headers: Readonly<Record<string, string | Redacted.Redacted>>): ReadonlyArray<Redacted.Redacted> =>
  Object.entries(headers)
    .filter(([name]) => isSecretHeader(name))
    .map(([, value]) => typeof value === "string" ? Redacted.make(value) : value)

/** An address and the password in it, as it is written there and as it is meant. */
const ofAddress = (address: Redacted.Redacted | undefined): ReadonlyArray<Redacted.Redacted> => {
  if (address === undefined) return []
  const { password } = new URL(Redacted.value(address))
  const written = password === "" ? [] : [password, decodeURIComponent(password)]
  return [address, ...written.map((text) => Redacted.make(text))]
}

/** Keys of clients, of the operator and of providers, headers that carry such, and the way to Redis. */
export const secretsOf = ({ providers, server, storage, telemetry }: Settings): ReadonlyArray<Redacted.Redacted> => [
  ...server.keys.map(({ key }) => key),
  ...(server.adminKey === undefined ? [] : [server.adminKey]),
  ...(server.keySecret === undefined ? [] : [server.keySecret]),
  ...providers.flatMap(({ apiKeys, entraToken, headers, secretAccessKey, sessionToken }) => [
    ...apiKeys,
    ...[entraToken, secretAccessKey, sessionToken].filter((secret) => secret !== undefined),
    ...ofHeaders(headers)
  ]),
  ...ofHeaders(telemetry.otlp.headers),
  ...ofHeaders(telemetry.otlp.tracesHeaders ?? {}),
  ...ofAddress(storage.redis)
]
