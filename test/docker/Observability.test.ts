import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { parse } from "effect/encoding/Yaml"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Gateway from "../wire/Gateway.ts"
import * as PromQl from "./PromQl.ts"

const docker = join(import.meta.dirname, "../../docker")
const read = (path: string): string => readFileSync(join(docker, path), "utf8")

interface Service {
  readonly image?: string
  readonly ports?: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
  readonly environment?: ReadonlyArray<string>
  readonly depends_on?: ReadonlyArray<string>
  readonly cap_drop?: ReadonlyArray<string>
  readonly command?: ReadonlyArray<string>
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes?: Readonly<Record<string, unknown>>
}

// The shapes are what these tests assert.
const yaml = <Shape>(path: string): Shape => parse(read(path)) as Shape

const base = yaml<Compose>("compose.yaml")
const stack = yaml<Compose>("compose.observability.yaml")
const services = Object.entries(stack.services)
const names = new Set([...Object.keys(base.services), ...Object.keys(stack.services)])

describe("the stack", () => {
  it("adds a collector, Jaeger, Prometheus and Grafana, each from an image with a whole version", () => {
    expect(Object.keys(stack.services)).toEqual(["breakwater", "collector", "jaeger", "prometheus", "grafana"])
    for (const [name, { image }] of services) {
      if (name !== "breakwater") expect(image).toMatch(/^[\w./-]+:v?\d+\.\d+\.\d+$/)
    }
  })

  it("is reached from this machine alone, and what runs may do no more than it needs", () => {
    for (const [name, { cap_drop, ports = [] }] of services) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
      if (name !== "breakwater") expect(cap_drop).toEqual(["ALL"])
    }
  })

  it("mounts files that are there and volumes that the first file has", () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes.map((text) => text.split(":")[0] ?? ""))
    expect(mounts.length).toBeGreaterThan(4)
    for (const mount of mounts) {
      if (mount.startsWith(".")) expect([mount, existsSync(join(docker, mount))]).toEqual([mount, true])
      else expect(Object.keys(base.volumes ?? {})).toContain(mount)
    }
  })

  it("names hosts and services that are there", () => {
    const texts = [
      "compose.observability.yaml",
      ...globSync("{otel-collector,prometheus,grafana/provisioning}/**/*.y*ml", { cwd: docker })
    ]
    const hosts = texts.flatMap((path) =>
      Array.from(read(path).matchAll(/(?:http:\/\/|endpoint: |")([a-z-]+):\d{4,5}/g), ([, host]) => host ?? "")
    )
    expect(hosts.length).toBeGreaterThan(4)
    expect(hosts.filter((host) => !names.has(host))).toEqual([])
    for (const [, { depends_on = [] }] of services) for (const name of depends_on) expect(names).toContain(name)
  })

  it("sends the gateway's traces where the collector listens, and on to Jaeger", () => {
    expect(stack.services["breakwater"]?.environment).toEqual(["OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"])
    const { exporters, receivers, service } = yaml<{
      readonly receivers: { readonly otlp: { readonly protocols: { readonly http: { readonly endpoint: string } } } }
      readonly exporters: Readonly<Record<string, { readonly endpoint?: string }>>
      readonly processors: Readonly<Record<string, unknown>>
      readonly service: {
        readonly pipelines: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<string>>>>>
      }
    }>("otel-collector/collector.yaml")
    expect(receivers.otlp.protocols.http.endpoint).toBe("0.0.0.0:4318")
    expect(exporters["otlp_grpc/jaeger"]?.endpoint).toBe("jaeger:4317")
    expect(service.pipelines["traces"]?.["exporters"]).toEqual(["otlp_grpc/jaeger"])
    for (const pipeline of Object.values(service.pipelines)) {
      for (const name of pipeline["exporters"] ?? []) expect(Object.keys(exporters)).toContain(name)
      expect(pipeline["receivers"]).toEqual(["otlp"])
    }
  })

  it("lets Prometheus ask with the admin key that the first start keeps", () => {
    const { scrape_configs: [job] } = yaml<{
      readonly scrape_configs: ReadonlyArray<{
        readonly metrics_path: string
        readonly authorization: { readonly credentials_file: string }
        readonly static_configs: ReadonlyArray<{ readonly targets: ReadonlyArray<string> }>
      }>
    }>("prometheus/prometheus.yml")
    expect(job?.metrics_path).toBe("/metrics")
    expect(job?.authorization.credentials_file).toBe("/keys/admin")
    expect(job?.static_configs[0]?.targets).toEqual(["breakwater:8000"])
    expect(stack.services["prometheus"]?.volumes).toContain("keys:/keys:ro")
  })
})

interface Panel {
  readonly title: string
  readonly datasource: { readonly uid: string }
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}

const dashboard: { readonly uid: string; readonly panels: ReadonlyArray<Panel> } = JSON.parse(
  read("grafana/dashboards/breakwater.json")
)
const queries = dashboard.panels.flatMap(({ targets, title }) => targets.map((target) => ({ title, ...target })))

describe("the reader of queries", () => {
  it("finds metrics, what their labels must be and what is grouped by, and takes no function for a metric", () => {
    const query =
      "sum by (le, status) (rate(a_total{route=\"/x\",status=~\"5..\"}[5m])) / on (target) max(b) > 0 or vector(0)"
    expect(PromQl.read(query)).toEqual({
      selectors: [
        { metric: "a_total", labels: [{ name: "route", equals: "/x" }, { name: "status", equals: undefined }] },
        { metric: "b", labels: [] }
      ],
      grouped: ["le", "status", "target"]
    })
  })
})

describe("Grafana's dashboard", () => {
  let text = ""
  let gateway: Gateway.Gateway

  // Everything that can be counted has happened once: an answer with and without a price, a stream, a failure, a failover, a call
  // that was turned away.
  beforeAll(async () => {
    gateway = await Gateway.start({
      server: { limits: { inFlight: 1 } },
      providers: { main: { kind: "simulated", prices: { "sim-fast": { usdPerMtok: { input: "3", output: "15" } } } } },
      models: {
        dead: { targets: [{ provider: "main", model: "sim-down" }] },
        saved: { targets: [{ provider: "main", model: "sim-down" }, { provider: "main", model: "sim" }] }
      }
    })
    const ask = async (model: string, stream = false) => {
      const response = await fetch(`${gateway.url}/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model, stream, messages: [{ role: "user", content: "hi" }] })
      })
      await response.text()
      return response.status
    }
    const one = async (model: string, status: number) => expect([model, await ask(model)]).toEqual([model, status])
    for (const model of ["main/sim-fast", "main/sim", "saved"]) await one(model, 200)
    expect(await ask("main/sim-fast", true)).toBe(200)
    for (let call = 0; call < 6; call++) await one("dead", 503)
    const slow = ask("main/sim-slow")
    await gateway.until((seen) => Gateway.inFlight(seen) === 1)
    await one("main/sim", 503)
    expect(await slow).toBe(200)
    const response = await fetch(`${gateway.origin}/metrics`)
    text = await response.text()
  })
  afterAll(() => gateway.stop())

  it("asks for nothing that the gateway does not show: every metric, label and value is there", () => {
    const shown = PromQl.series(text)
    const faults = queries.flatMap(({ expr, title }) => {
      const { grouped, selectors } = PromQl.read(expr)
      return selectors.flatMap(({ labels, metric }) => {
        const own = shown.get(metric)
        if (own === undefined) return [`${title}: ${metric} is not there`]
        const needed = [...labels, ...grouped.map((name) => ({ name, equals: undefined }))]
        return needed
          .filter(({ equals, name }) =>
            !own.some((found) => equals === undefined ? name in found : found[name] === equals)
          )
          .map(({ equals, name }) => `${title}: ${metric} has no ${name} ${equals ?? ""}`)
      })
    })
    expect(queries.length).toBeGreaterThan(15)
    expect(faults).toEqual([])
  })

  it("shows no failures and no cost as 0 before the first request, for of a counter that appears later Prometheus misses the first", async () => {
    const fresh = await Gateway.start({
      providers: { main: { kind: "simulated", prices: { "sim-fast": { usdPerMtok: { input: "3", output: "15" } } } } }
    })
    const shown = PromQl.series(await (await fetch(`${fresh.origin}/metrics`)).text())
    await fresh.stop()
    for (const metric of ["breakwater_requests_total", "breakwater_request_attempts_total"]) {
      for (const status of ["2xx", "4xx", "5xx"]) {
        expect(shown.get(metric)).toContainEqual({ route: "/v1/chat/completions", status })
      }
    }
    // Of what has no price nobody says that it costs 0.
    expect(shown.get("breakwater_cost_usd_total")).toEqual([{ target: "main/sim-fast" }])
    expect(shown.get("breakwater_unpriced_total")).toContainEqual({ target: "main/sim" })
  })

  it("names lines by labels that the query keeps", () => {
    for (const { expr, legendFormat, title } of queries) {
      const kept = PromQl.read(expr).grouped
      for (const [, name] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        expect([title, kept]).toEqual([title, expect.arrayContaining([name])])
      }
    }
  })

  it("is provisioned, asks the datasource that is provisioned, and no panel lies on another", () => {
    const provider = yaml<{ readonly providers: ReadonlyArray<{ readonly options: { readonly path: string } }> }>(
      "grafana/provisioning/dashboards/dashboards.yaml"
    )
    const { datasources } = yaml<{ readonly datasources: ReadonlyArray<{ readonly uid: string }> }>(
      "grafana/provisioning/datasources/datasources.yaml"
    )
    expect(stack.services["grafana"]?.volumes).toContain(
      `./grafana/dashboards:${provider.providers[0]?.options.path}:ro`
    )
    const uids = new Set(datasources.map(({ uid }) => uid))
    const taken = new Set<string>()
    for (const { datasource, gridPos: { h, w, x, y }, title } of dashboard.panels) {
      expect([title, uids.has(datasource.uid)]).toEqual([title, true])
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          expect([title, column < 24, taken.has(`${column} ${row}`)]).toEqual([title, true, false])
          taken.add(`${column} ${row}`)
        }
      }
    }
  })
})
