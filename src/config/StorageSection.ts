/** The `storage` section: where what outlives a request is kept. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

export interface StorageSection {
  /** `sqlite:FILE` or `postgres://…`, which may hold a password; absent = memory. */
  readonly sql: Redacted.Redacted | undefined
}

export const defaultStorageSection: StorageSection = { sql: undefined }

const sqlAddress = /^(?:sqlite:(?!\/\/[^/.]).+|postgres(?:ql)?:\/\/.+)$/

export const StorageSectionInput = Schema.Struct({
  sql: Schema.optionalKey(
    Schema.RedactedFromValue(
      Schema.String.check(
        Schema.isPattern(sqlAddress, { message: "expected sqlite:FILE such as sqlite:./breakwater.db, or postgres://…" })
      )
    )
  ),
  redis: Schema.optionalKey(Schema.String)
})
