/** The handlers of every group of the contract. */
import * as Layer from "effect/Layer"
import * as Admin from "./Admin.ts"
import * as Health from "./Health.ts"
import * as Keys from "./Keys.ts"
import * as LeanCompletions from "./LeanCompletions.ts"
import * as Models from "./Models.ts"
import * as Usage from "./Usage.ts"

export const layer = Layer.mergeAll(
  LeanCompletions.layer,
  Models.layer,
  Health.layer,
  Health.layerMonitoring,
  Admin.layer,
  Usage.layer,
  Keys.layer
)
