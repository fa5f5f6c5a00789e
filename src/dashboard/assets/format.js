// How values are written. Everything comes out as text; nothing here makes markup.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })

const none = "–"

const count = (value) => value >= 100_000 ? compact.format(value) : whole.format(value)

const rate = (value) => value === 0 ? "0" : value < 10 ? value.toFixed(1) : count(value)

const percent = (share) => {
  const value = share * 100
  return `${value === 0 || value === 100 ? value : value < 10 || value > 99 ? value.toFixed(1) : value.toFixed(0)} %`
}

const duration = (ms) => {
  if (ms === undefined || ms === null) return none
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min ${Math.floor(ms % 60_000 / 1000)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const pairOf = (percentiles) =>
  percentiles === undefined || percentiles.p50 === undefined
    ? none
    : `${duration(percentiles.p50)} / ${duration(percentiles.p95)}`

const timeOf = (ms) => clock.format(ms)

/** An exact decimal to whole pico-dollars, so that sums are exact. */
const picoOf = (usd) => {
  const [dollars = "0", fraction = ""] = String(usd).split(".")
  return BigInt(dollars) * 10n ** 12n + BigInt(fraction.slice(0, 12).padEnd(12, "0"))
}

/** Four digits that count, at least cents; the exact amount belongs into a title. */
const usdOf = (pico) => {
  if (pico === 0n) return "0"
  const value = Number(pico) / 1e12
  if (value < 1e-6) return "< 0.000001"
  const places = value >= 1 ? 2 : Math.min(8, Math.max(2, 3 - Math.floor(Math.log10(value))))
  return value.toFixed(places).replace(/(\.\d\d\d*?)0+$/, "$1")
}
