/** What the primary keeps of the metrics of workers that are gone. Apart, because the primary loads nothing of the server. */
import * as Prometheus from "../observability/Prometheus.ts"

/** Under which workers give their page. */
export const topic = "metrics"

/** The counts of all, without what was only so at the time. */
export const keepers = {
  [topic]: (pages: ReadonlyArray<unknown>): string =>
    Prometheus.merge(pages.flatMap((page) => typeof page === "string" ? [Prometheus.countsOf(page)] : []))
}
