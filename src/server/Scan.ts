/** Stands in until `validation/JsonText.ts` has its scan. */
import type { JsonText } from "../validation/JsonText.ts"

export interface ScanProblem {
  readonly message: string
  readonly param?: string
}
export const isScanProblem = (result: JsonText | ScanProblem): result is ScanProblem => "message" in result
export const scan = (text: string): JsonText | ScanProblem => ({ text, members: new Map() })
