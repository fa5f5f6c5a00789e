/** Durations and sizes as people write them in a configuration: `200ms`, `5s`, `10m`, `1h`; `512kb`, `20mb`. */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizeUnits: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

const quantity = (pattern: RegExp, units: Readonly<Record<string, number>>, example: string) =>
  Schema.String.check(Schema.isPattern(pattern, { message: `expected something like ${example}` })).pipe(
    Schema.decodeTo(
      Schema.Number,
      SchemaTransformation.transform({
        decode: (text: string) => {
          const found = pattern.exec(text.trim())
          return found === null ? Number.NaN : Math.round(Number(found[1]) * (units[found[2] ?? ""] ?? Number.NaN))
        },
        encode: (value: number) => `${value}${Object.keys(units)[0]}`
      })
    )
  )

/** `200ms`, `5s`, `10m`, `1h`, `1d`, decoded to milliseconds. */
export const DurationText = quantity(/^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/, durationUnits, "200ms, 5s or 10m")

/** `512kb`, `20mb`, decoded to bytes (1 kb = 1024 bytes). */
export const SizeText = quantity(/^\s*(\d+(?:\.\d+)?)\s*(b|kb|mb|gb)\s*$/, sizeUnits, "512kb or 20mb")
