import { describe, expect, it } from "@effect/vitest"
import { countsOf, merge } from "../../src/observability/Prometheus.ts"

const one = `# HELP a_total Things.
# TYPE a_total counter
a_total{route="/v1 x"} 2
# TYPE state gauge
state{target="p/m"} 2
state{target="p/n"} 0
# TYPE d_seconds histogram
d_seconds_bucket{le="1"} 1
d_seconds_bucket{le="+Inf"} 3
d_seconds_sum 4.5
d_seconds_count 3
`
const two = `# HELP a_total Things.
# TYPE a_total counter
a_total{route="/v1 x"} 5
a_total{route="/other"} 1
# TYPE state gauge
state{target="p/m"} 1
# TYPE d_seconds histogram
d_seconds_bucket{le="1"} 2
d_seconds_bucket{le="+Inf"} 2
d_seconds_sum 0.5
d_seconds_count 2
# TYPE b_total counter
b_total 7
`

describe("the texts of several processes", () => {
  it("become one: sums, of gauges the highest, each family once", () => {
    expect(merge([one, two])).toBe(`# HELP a_total Things.
# TYPE a_total counter
a_total{route="/v1 x"} 7
a_total{route="/other"} 1
# TYPE state gauge
state{target="p/m"} 2
state{target="p/n"} 0
# TYPE d_seconds histogram
d_seconds_bucket{le="1"} 3
d_seconds_bucket{le="+Inf"} 5
d_seconds_sum 5
d_seconds_count 5
# TYPE b_total counter
b_total 7
`)
  })

  it("have no gauges where only what is counted matters", () => {
    expect(countsOf(one)).toBe(`# HELP a_total Things.
# TYPE a_total counter
a_total{route="/v1 x"} 2
# TYPE d_seconds histogram
d_seconds_bucket{le="1"} 1
d_seconds_bucket{le="+Inf"} 3
d_seconds_sum 4.5
d_seconds_count 3
`)
    expect(countsOf("# HELP g A state.\n# TYPE g gauge\ng 1\n")).toBe("")
  })

  it("of one process stays as it is", () => {
    expect(merge([one])).toBe(one)
    expect(merge([""])).toBe("")
  })
})
