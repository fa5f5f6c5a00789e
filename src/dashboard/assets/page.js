// The page: what the monitoring value says, as text in nodes of our own making. Nodes are kept and changed in place, so that
// focus, selection and scrolling survive the next second.

const byId = (id) => document.getElementById(id)

const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

const setClass = (node, name) => {
  if (node.className !== name) node.className = name
}

/** One child per item, kept by key; `update` gets the node that `make` made. */
const keep = (parent, items, keyOf, make, update) => {
  const before = parent.kept ?? new Map()
  const after = new Map()
  const focused = document.activeElement
  items.forEach((item, index) => {
    const key = keyOf(item, index)
    const node = before.get(key) ?? make(item)
    after.set(key, node)
    update(node, item)
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null)
  })
  for (const [key, node] of before) if (after.get(key) !== node) node.remove()
  parent.kept = after
  // A node that was moved has lost the focus.
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true })
}

const cellsOf = (classes) => () => el("tr", {}, ...classes.map((name) => el("td", name === "" ? {} : { class: name })))

const setCells = (row, texts) => texts.forEach((text, index) => setText(row.children[index], text))

const announce = (text) => setText(byId("announce"), text)

const complain = (text) => {
  byId("problem").hidden = text === undefined
  setText(byId("problem"), text ?? "")
}

const monitoring = "api/v1/health/monitoring"
const control = "api/v1/health/circuit-breakers"

/** JSON of a route; fails with what the server says of it. The address may have a user and a key in it, with which `fetch` takes none. */
const ask = async (path, init = {}) => {
  const address = new URL(path, location.origin + location.pathname)
  const response = await fetch(address, { credentials: "same-origin", ...init })
  const body = await response.json().catch(() => undefined)
  if (!response.ok) throw new Error(body?.error?.message ?? `${path} answered ${response.status}`)
  return body
}

// ---- now ----

const tile = (name, hasSpark = false) => {
  const value = el("dd", { class: "value" })
  const more = el("dd", { class: "more" })
  const node = el("div", { class: "tile" }, el("dt", {}, name), value, more)
  const line = hasSpark ? spark([]) : undefined
  if (line !== undefined) node.append(el("dd", {}, line))
  byId("now").append(node)
  return (text, unit, note, tone = "", values = []) => {
    if (value.dataset.is !== `${text} ${unit}`) value.replaceChildren(text, unit === "" ? "" : el("small", {}, unit))
    value.dataset.is = `${text} ${unit}`
    keep(more, note.split(" · "), (_, index) => index, () => el("span"), (part, words) => setText(part, words))
    setClass(node, `tile ${tone}`)
    line?.draw(values)
  }
}

const tiles = {
  requests: tile("Requests", true),
  errors: tile("Errors", true),
  inFlight: tile("In flight"),
  latency: tile("Latency", true),
  firstContent: tile("First content", true),
  tokens: tile("Tokens", true),
  money: tile("Cost, USD"),
  recovered: tile("Recovered")
}

const drawNow = ({ firstContent, latency, now, spending, totals, traffic }) => {
  const points = traffic.points
  const tenMinutes = points.reduce((sum, { usd }) => sum + usd, 0)
  const total = spending.reduce((sum, { costUsd }) => sum + picoOf(costUsd), 0n)
  const unpriced = spending.reduce((sum, row) => sum + row.unpriced, 0)
  tiles.requests(
    rate(now.requestsPerSecond),
    "/ s",
    `${count(totals.requests)} since the start`,
    "",
    points.map(({ requests }) => requests)
  )
  tiles.errors(
    percent(now.errorRate),
    "",
    `${count(totals.failed - totals.refused)} failed · ${count(totals.refused)} refused`,
    now.errorRate >= 0.05 ? "bad" : now.errorRate > 0 ? "warn" : "",
    points.map(({ failed }) => failed)
  )
  tiles.inFlight(count(now.inFlight), "", "to their last byte")
  tiles.latency(
    duration(latency.p50),
    latency.p50 === undefined ? "" : "p50",
    latency.p50 === undefined ? "no answer lately" : `p95 ${duration(latency.p95)} · p99 ${duration(latency.p99)}`,
    "",
    points.map((point) => point.latency.p50)
  )
  tiles.firstContent(
    duration(firstContent.p50),
    firstContent.p50 === undefined ? "" : "p50",
    firstContent.p50 === undefined
      ? "no stream lately"
      : `p95 ${duration(firstContent.p95)} · p99 ${duration(firstContent.p99)}`,
    "",
    points.map((point) => point.firstContent.p50)
  )
  tiles.tokens(
    rate(now.tokensPerSecond),
    "/ s",
    `${count(spending.reduce((sum, row) => sum + row.inputTokens + row.outputTokens, 0))} since the start`,
    "",
    points.map(({ inputTokens, outputTokens }) => inputTokens + outputTokens)
  )
  const answers = spending.reduce((sum, { requests }) => sum + requests, 0)
  const lately = usdOf(BigInt(Math.round(tenMinutes * 1e12)))
  const isPriced = answers > unpriced
  const missing = unpriced === 0 ? "" : `${count(unpriced)} unpriced`
  tiles.money(
    isPriced ? usdOf(total) : none,
    "",
    !isPriced ? missing || "no answer yet" : `${lately} in 10 min${missing === "" ? "" : ` · ${missing}`}`
  )
  tiles.recovered(
    count(totals.recovered),
    "",
    `${count(totals.retries)} retries · ${count(totals.failovers)} failovers`
  )
}

const tones = { pass: "ok", warn: "warn", fail: "bad" }
const marks = { pass: "✓", warn: "!", fail: "✕" }

const drawStatus = ({ components, phase, status, uptimeMs }) => {
  setClass(byId("status"), `badge ${tones[status] ?? ""}`)
  setText(byId("status"), `${marks[status] ?? ""} ${status}`)
  setText(byId("phase"), `${phase} · up ${duration(uptimeMs)}`)
  document.title = status === "pass" ? "Breakwater" : `${status} · Breakwater`
  const make = () => el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }), el("span"), el("span"))
  const well = components.filter((one) => one.status === "pass").map(({ component }) => component)
  const ill = components.filter((one) => one.status !== "pass")
  // Only trouble is told one by one.
  const rest = { component: "", status: "pass", output: well.join(", ") }
  keep(
    byId("components"),
    well.length === 0 ? ill : [...ill, rest],
    ({ component }) => component,
    make,
    (node, one) => {
      const value = one.observedValue === undefined ? "" : `${one.observedValue} ${one.observedUnit ?? ""}`
      setClass(node, tones[one.status] ?? "")
      setText(node.children[0], marks[one.status] ?? "")
      setText(node.children[1], one === rest ? `${well.length} well` : `${one.component}: ${one.status}`)
      setText(node.children[2], one.output ?? value)
      setClass(node.children[2], one === rest ? "dim" : "")
    }
  )
}

// ---- targets ----

const circuits = {
  closed: ["ok", "●", "closed"],
  "half-open": ["warn", "◐", "half-open"],
  open: ["bad", "✕", "open"],
  "forced-open": ["bad", "■", "forced open"],
  "forced-closed": ["warn", "■", "forced closed"],
  "metrics-only": ["warn", "■", "metrics only"]
}

const isDead = ({ credentials = [] }) => credentials.length > 0 && credentials.every((one) => one.startsWith("dead"))

const isForced = ({ breaker: { state } }) => state.startsWith("forced") || state === "metrics-only"

const isIll = (target) => target.breaker.state !== "closed" || target.cooldownMs > 0 || isDead(target)

const isIdle = (target) => !isIll(target) && (target.attempts ?? 0) === 0 && target.inFlight + target.waiting === 0

const notesOf = (target) => {
  const { breaker, cooldownMs, credentials = [] } = target
  const refused = credentials.filter((one) => one !== "usable" && one !== "ready").length
  return [
    breaker.reason,
    breaker.forcedForMs === undefined ? undefined : `ends in ${duration(breaker.forcedForMs)}`,
    isForced(target) && breaker.forcedForMs === undefined ? "until it is reset" : undefined,
    breaker.retryAfterMs === undefined || isForced(target)
      ? undefined
      : `next try in ${duration(breaker.retryAfterMs)}`,
    cooldownMs > 0 ? `pauses for ${duration(cooldownMs)}` : undefined,
    isDead(target) ? "no key is accepted" : refused > 0 ? `${refused} of ${credentials.length} keys rest` : undefined
  ].filter((note) => note !== undefined).join(" · ")
}

const reset = async (target) => {
  const what = target ?? "all targets"
  try {
    const body = JSON.stringify({ ...(target === undefined ? {} : { target }), reason: "reset on the dashboard" })
    const { targets } = await ask(`${control}/reset`, { method: "POST", body })
    complain(undefined)
    announce(
      targets.length === 1 ? `${what}: ${targets[0].from} to ${targets[0].to}` : `${targets.length} targets reset`
    )
    draw(await ask(monitoring))
  } catch (error) {
    complain(`Reset of ${what} failed: ${error.message}`)
  }
}

const makeTarget = ({ target }) => {
  const button = el("button", { type: "button", "aria-label": `Reset ${target}` }, "Reset")
  button.addEventListener("click", () => reset(target))
  const numbers = ["w2", "w2", "w1", "w1", "w1"].map((name) => el("td", { class: `num ${name}` }))
  return el(
    "tr",
    {},
    el("td", {}, el("span", { class: "badge" }), el("span", { class: "sub" }), el("span", { class: "sub w3" })),
    el("th", { scope: "row", class: "cut", title: target }, target),
    el("td", { class: "w2" }, el("span"), el("span", { class: "dim when" })),
    ...numbers,
    el("td", { class: "num" }, button)
  )
}

const updateTarget = (row, target) => {
  const {
    answer,
    attempts = 0,
    breaker,
    failures = 0,
    firstContent,
    inFlight,
    lastError,
    lastErrorAtMs,
    limit,
    waiting
  } = target
  const [tone, mark, word] = circuits[breaker.state] ?? ["", "?", breaker.state]
  const [state, , error, success, flight, first, whole, failed, action] = row.children
  setClass(row, breaker.state === "open" || breaker.state === "forced-open" ? "ill" : isIll(target) ? "slow" : "")
  setClass(state.children[0], `badge ${tone}`)
  setText(state.children[0], `${mark} ${word}`)
  setText(state.children[1], notesOf(target))
  setText(
    success,
    breaker.callsInWindow === 0 ? none : `${percent(1 - breaker.failureRate)} of ${count(breaker.callsInWindow)}`
  )
  setText(
    flight,
    `${count(inFlight)}${limit === undefined ? "" : ` / ${count(limit)}`}${
      waiting === 0 ? "" : ` + ${count(waiting)} waiting`
    }`
  )
  setText(first, pairOf(firstContent))
  setText(whole, pairOf(answer))
  setText(failed, attempts === 0 ? none : `${count(failures)} of ${count(attempts)}`)
  setText(error.children[0], lastError ?? none)
  setText(state.children[2], lastError === undefined ? "" : `last: ${lastError}`)
  setText(error.children[1], lastErrorAtMs === undefined ? "" : ` ${timeOf(lastErrorAtMs)}`)
  setClass(action.children[0], isIll(target) ? "urgent" : "")
}

const order = (left, right) =>
  Number(isIll(right)) - Number(isIll(left)) || (right.attempts ?? 0) - (left.attempts ?? 0)
  || left.target.localeCompare(right.target)

/** What somebody chose; until then idle targets are shown where there is nothing else. */
let showsIdle

const drawTargets = ({ targets }) => {
  const idle = targets.filter(isIdle)
  const busy = targets.filter((target) => !isIdle(target)).toSorted(order)
  keep(byId("targets"), busy, ({ target }) => target, makeTarget, updateTarget)
  keep(byId("idle"), idle, ({ target }) => target, makeTarget, updateTarget)
  const ill = busy.filter(isIll).length
  setText(byId("targets-note"), `${targets.length} in all${ill === 0 ? "" : ` · ${ill} not as usual`}`)
  const isShown = showsIdle ?? (busy.length === 0 && idle.length <= 12)
  byId("idle").hidden = !isShown
  byId("show-idle").setAttribute("aria-expanded", String(isShown))
  byId("targets-head").hidden = busy.length === 0 && !isShown
  byId("targets-none").hidden = busy.length > 0 || isShown
  byId("show-idle").hidden = idle.length === 0
  setText(
    byId("show-idle"),
    `${isShown ? "Hide" : "Show"} ${idle.length} idle ${idle.length === 1 ? "target" : "targets"}`
  )
}

byId("show-idle").addEventListener("click", () => {
  showsIdle = byId("idle").hidden
  if (seen !== undefined) drawTargets(seen)
})

byId("reset-all").addEventListener("click", () => {
  const targets = seen?.targets ?? []
  const forced = targets.filter(isForced).length
  const ill = targets.filter(isIll).length - forced
  setText(
    byId("confirm-text"),
    `This closes the circuits of all ${targets.length} targets, ends what an operator forced (${forced} now) and every pause, and `
      + `trusts refused keys again. ${
        ill === 1 ? "1 target" : `${ill} targets`
      } that rest by themselves will be asked at once.`
  )
  byId("confirm").showModal()
})
byId("confirm-no").addEventListener("click", () => byId("confirm").close())
byId("confirm-yes").addEventListener("click", () => {
  byId("confirm").close()
  reset(undefined)
})

// ---- traffic ----

const answered = ({ cancelled, failed, refused, requests }) => requests - cancelled - failed - refused

const drawTraffic = chart(byId("chart-traffic"), {
  title: "Requests",
  kind: "bars",
  write: count,
  series: [
    { name: "answered", color: "ok", of: answered },
    { name: "cancelled", color: "flat", of: ({ cancelled }) => cancelled },
    { name: "refused", color: "warn", of: ({ refused }) => refused },
    { name: "failed", color: "bad", of: ({ failed }) => failed }
  ]
})

const percentileChart = (id, title, member) =>
  chart(byId(id), {
    title,
    kind: "lines",
    write: duration,
    series: [
      { name: "p50", color: "ok", of: (point) => point[member].p50 },
      { name: "p95", color: "second", of: (point) => point[member].p95 }
    ]
  })

const drawLatency = percentileChart("chart-latency", "Latency, to the last byte", "latency")
const drawFirst = percentileChart("chart-first", "First content of streams", "firstContent")

const slotCells = cellsOf(["", ...Array.from({ length: 10 }, () => "num")])

const drawCharts = ({ traffic: { points } }) => {
  drawTraffic(points)
  drawLatency(points)
  drawFirst(points)
  const some = points.filter(({ requests }) => requests > 0).toReversed()
  keep(byId("slots"), some, ({ atMs }) => atMs, slotCells, (row, point) =>
    setCells(row, [
      timeOf(point.atMs),
      count(point.requests),
      count(point.failed),
      count(point.refused),
      count(point.cancelled),
      count(point.again),
      duration(point.latency.p50),
      duration(point.latency.p95),
      duration(point.firstContent.p50),
      duration(point.firstContent.p95),
      count(point.inputTokens + point.outputTokens)
    ]))
}

// ---- money ----

const makeMoney = () =>
  el(
    "tr",
    {},
    el("th", { scope: "row" }),
    el("td", { class: "cut mono" }),
    ...["w2", "w2", "w2", "w2", ""].map((name) => el("td", { class: `num ${name}` })),
    el("td", { class: "w1", "aria-hidden": "true" }, el("span", { class: "bar" }, el("i"))),
    el("td", { class: "num w2" })
  )

const updateMoney =
  (most) => (row, { cachedTokens, costUsd, inputTokens, model, outputTokens, provider, requests, unpriced }) => {
    const cells = row.children
    setText(cells[0], provider)
    setText(cells[1], model)
    cells[1].title = model
    setText(cells[2], count(requests))
    // What was counted has at least a token of input; anything else is not known.
    const tokens = (value) => inputTokens === 0 && unpriced > 0 ? none : count(value)
    setText(cells[3], tokens(inputTokens))
    setText(cells[4], tokens(cachedTokens))
    setText(cells[5], tokens(outputTokens))
    setText(cells[6], unpriced === requests && requests > 0 ? none : usdOf(picoOf(costUsd)))
    cells[6].title = `${costUsd} USD`
    const share = most === 0n ? 0 : Number(picoOf(costUsd) * 1000n / most) / 10
    cells[7].firstElementChild.firstElementChild.style.width = `${share}%`
    setText(cells[8], unpriced === 0 ? "" : count(unpriced))
  }

const drawMoney = ({ spending }) => {
  byId("money-none").hidden = spending.length > 0
  byId("money").parentElement.hidden = spending.length === 0
  const costly = spending.toSorted((left, right) => {
    const difference = picoOf(right.costUsd) - picoOf(left.costUsd)
    return difference === 0n ? right.requests - left.requests : difference > 0n ? 1 : -1
  })
  const keyOf = ({ model, provider }) => JSON.stringify([provider, model])
  const most = costly.length === 0 ? 0n : picoOf(costly[0].costUsd)
  keep(byId("money"), costly, keyOf, makeMoney, updateMoney(most))
  const sum = (member) => spending.reduce((total, row) => total + row[member], 0)
  const total = spending.reduce((all, { costUsd }) => all + picoOf(costUsd), 0n)
  const providers = new Set(spending.map(({ provider }) => provider)).size
  keep(byId("money-sum"), spending.length > 1 ? [0] : [], String, makeMoney, (row) => {
    setCells(row, [
      `${providers} ${providers === 1 ? "provider" : "providers"}`,
      `${spending.length} models`,
      count(sum("requests")),
      count(sum("inputTokens")),
      count(sum("cachedTokens")),
      count(sum("outputTokens")),
      sum("requests") > sum("unpriced") ? usdOf(total) : none
    ])
    row.children[7].replaceChildren()
    setText(row.children[8], sum("unpriced") === 0 ? "" : count(sum("unpriced")))
  })
}

// ---- retries and failovers ----

let columns = ""

const drawHead = (reasons, whys) => {
  const signature = JSON.stringify([reasons, whys])
  if (signature === columns) return
  columns = signature
  const cell = (text, name) => el("th", { scope: "col", class: name }, text)
  const group = (text, span, name = "sep") => el("th", { scope: "colgroup", colspan: String(span), class: name }, text)
  byId("matrix-head").replaceChildren(
    el(
      "tr",
      {},
      el("td"),
      ...(reasons.length === 0 ? [] : [group("Failed with", reasons.length), group("then", 3)]),
      ...(whys.length === 0 ? [] : [group("Passed over", whys.length)])
    ),
    el(
      "tr",
      {},
      cell("Target", ""),
      ...reasons.map((reason, index) => cell(reason, index === 0 ? "num sep" : "num")),
      ...(reasons.length === 0 ? [] : ["retried", "failed over", "ended"]).map((word, index) =>
        cell(word, index === 0 ? "num sep" : "num")
      ),
      ...whys.map((why, index) => cell(why, index === 0 ? "num sep" : "num"))
    )
  )
  byId("matrix").replaceChildren()
  byId("matrix").kept = new Map()
}

const heat = (value, most) =>
  value === 0 ? "" : value > most * 0.5 ? " heat3" : value > most * 0.1 ? " heat2" : " heat1"

const drawMatrix = ({ failures, skips, totals }) => {
  const unique = (values) => Array.from(new Set(values)).toSorted()
  const reasons = unique(failures.map(({ reason }) => reason))
  const whys = unique(skips.map(({ why }) => why))
  const targets = unique([...failures, ...skips].map(({ target }) => target))
  byId("matrix-none").hidden = targets.length > 0
  byId("matrix").parentElement.hidden = targets.length === 0
  const troubled = totals.recovered + totals.failed - totals.refused
  setText(
    byId("matrix-note"),
    totals.recovered === 0 ? "" : `${count(totals.recovered)} of ${count(troubled)} requests with trouble were answered`
  )
  drawHead(reasons, whys)
  const most = Math.max(0, ...failures.map((row) => row.count))
  const make = () => {
    const thens = reasons.length === 0 ? 0 : 3
    const row = cellsOf(Array.from({ length: reasons.length + thens + whys.length }, () => "num"))()
    row.prepend(el("th", { scope: "row", class: "cut" }))
    return row
  }
  keep(byId("matrix"), targets, String, make, (row, target) => {
    const own = failures.filter((one) => one.target === target)
    const passed = skips.filter((one) => one.target === target)
    const sum = (member) => own.reduce((total, one) => total + one[member], 0)
    const counts = reasons.map((reason) => own.find((one) => one.reason === reason)?.count ?? 0)
    const thens = reasons.length === 0 ? [] : [sum("retried"), sum("failedOver"), sum("ended")]
    const skipped = whys.map((why) => passed.find((one) => one.why === why)?.count ?? 0)
    setText(row.children[0], target)
    row.children[0].title = target
    const starts = [0, counts.length, counts.length + thens.length]
    const values = [...counts, ...thens, ...skipped]
    values.forEach((value, index) => {
      const cell = row.children[index + 1]
      setText(cell, value === 0 ? "·" : count(value))
      setClass(cell, `num${starts.includes(index) ? " sep" : ""}${index < counts.length ? heat(value, most) : ""}`)
    })
  })
}

// ---- recent requests ----

const endings = { answered: "ok", cancelled: "", final: "warn" }

/** What the caller has to change is no fault of anybody here. */
const callers = new Set([
  "ModelNotFound",
  "InvalidRequest",
  "ContextLengthExceeded",
  "ContentFiltered",
  "UpstreamRefused"
])

const toneOf = (record) => {
  if (record.ended === "answered" && isTrouble(record)) return "info"
  return callers.has(record.error) ? "warn" : endings[record.ended] ?? "bad"
}

const isTrouble = ({ attempts, ended, skipped }) => ended !== "answered" || attempts.length > 1 || skipped.length > 0

const endingOf = ({ attempts, ended, error, skipped }) => {
  if (ended !== "answered") return error === undefined ? ended : `${ended}: ${error}`
  return attempts.length > 1 || skipped.length > 0 ? "recovered" : "answered"
}

const costOf = ({ cost_absent, cost_usd }) =>
  cost_usd === undefined ? (cost_absent === undefined ? none : `? ${cost_absent}`) : usdOf(picoOf(cost_usd))

/** Ids differ at their ends. */
const tailOf = (id) => id.length > 20 ? `…${id.slice(-10)}` : id

const overAt = ({ at_ms, duration_ms = 0 }) => at_ms + duration_ms

const makeRecent = (record) => {
  const id = record.request_id
  const button = el("button", { type: "button", class: "link", title: id, "aria-label": id }, tailOf(id))
  button.addEventListener("click", () => open(record.request_id, record))
  const row = cellsOf(
    ["dim", "", "cut", "cut w2", "cut w2", "num w1", "num w1", "num", "num w1", "num w2", "mono w1"]
  )()
  row.children[1].append(el("span", { class: "badge" }))
  row.children[2].append(button)
  return row
}

const updateRecent = (row, record) => {
  const { alias, attempts, duration_ms, first_content_ms, trace_id, winner } = record
  const cells = row.children
  const tone = toneOf(record)
  setText(cells[0], timeOf(overAt(record)))
  setText(cells[1].firstElementChild, endingOf(record))
  setClass(cells[1].firstElementChild, `badge ${tone}`)
  setText(cells[3], alias)
  cells[3].title = alias
  setText(cells[4], winner ?? none)
  cells[4].title = winner ?? ""
  setText(cells[5], count(attempts.length))
  setText(cells[6], duration(first_content_ms))
  setText(cells[7], duration(duration_ms))
  setText(cells[8], tokensOf(record))
  setText(cells[9], costOf(record))
  setText(cells[10], trace_id === undefined ? none : `${trace_id.slice(0, 8)}…`)
  if (trace_id !== undefined) cells[10].title = trace_id
}

const drawRecent = ({ recent, totals }) => {
  const shown = byId("only-trouble").checked ? recent.filter(isTrouble) : recent
  const keyOf = ({ at_ms, request_id, worker }) => `${worker ?? ""} ${at_ms} ${request_id}`
  keep(byId("recent"), shown, keyOf, makeRecent, updateRecent)
  byId("recent-none").hidden = totals.requests > 0
  byId("recent").parentElement.hidden = totals.requests === 0
  setText(byId("recent-note"), totals.requests === 0 ? "" : `${shown.length} of the last ${recent.length}`)
}

byId("only-trouble").addEventListener("change", () => seen !== undefined && drawRecent(seen))

setText(
  byId("example"),
  `curl ${location.origin}/v1/chat/completions -H 'content-type: application/json' \\\n`
    + `  -d '{"model":"sim","messages":[{"role":"user","content":"Hello"}]}'`
)

// ---- one request ----

const copyButton = (what, text) => {
  const button = el("button", { type: "button", "aria-label": `Copy ${what}` }, "Copy")
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text)
      setText(button, "Copied")
    } catch {
      setText(button, "Not allowed")
    }
  })
  return button
}

const facts = (rows) =>
  el(
    "dl",
    { class: "facts" },
    ...rows.filter(([, value]) => value !== undefined).flatMap(([name, ...value]) => [
      el("dt", {}, name),
      el("dd", {}, ...value)
    ])
  )

const moneyOf = ({ cost_absent, cost_source, cost_usd, estimated_usd }) => {
  if (cost_usd !== undefined) {
    return `${cost_usd} USD, ${cost_source === "provider" ? "says the provider" : "by our prices"}`
  }
  const guess = estimated_usd === undefined ? "" : `, about ${estimated_usd} USD by a guess at the tokens`
  return cost_absent === undefined ? undefined : `not known: ${cost_absent}${guess}`
}

const waterfall = ({ after_ms, duration_ms = 0, outcome }, total, isStream) => {
  const x = after_ms / total * 200
  const long = Math.max(2, duration_ms / total * 200)
  const bar = { x: Math.min(x, 198), y: 2, width: long, height: 8, rx: 2, class: outcome === "ok" ? "f-ok" : "f-bad" }
  // Of a stream the attempt is told to its first content; the rest of it is what the caller read.
  const rest = { x: bar.x + long, y: 4, width: Math.max(0, 200 - bar.x - long), height: 4, rx: 2, class: "f-rest" }
  const more = isStream && outcome === "ok" ? [svg("rect", rest)] : []
  return svg("svg", { viewBox: "0 0 200 12", class: "fall", "aria-hidden": "true" }, svg("rect", bar), ...more)
}

/** What came after a failure; in its title what its kind allowed. */
const nextOf = (attempts, index) => {
  const [one, next] = attempts.slice(index, index + 2)
  if (one.outcome === "ok") return none
  return next === undefined ? "ended" : next.target === one.target ? "tried again" : "failed over"
}

const allowed = {
  retry: "Such a failure may be tried again on the same target",
  failover: "Such a failure sends the request to another target",
  final: "No other target would answer such a request better"
}

const tokensOf = ({ input_tokens, output_tokens }) =>
  input_tokens === undefined ? none : `${count(input_tokens)} / ${count(output_tokens)}`

/** Failed attempts may cost something, too. */
const attemptCostOf = ({ cost_usd, estimated_usd }) =>
  cost_usd !== undefined
    ? usdOf(picoOf(cost_usd))
    : estimated_usd === undefined
    ? none
    : `≈ ${usdOf(picoOf(estimated_usd))}`

const attemptsTable = ({ attempts, duration_ms, stream }) => {
  const total = Math.max(1, duration_ms ?? 0, ...attempts.map((one) => one.after_ms + (one.duration_ms ?? 0)))
  const head = [
    "",
    "Target",
    "Outcome",
    "Then",
    "Paused before",
    "Began at",
    "Took",
    "Tokens in / out",
    "USD",
    "Course"
  ]
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Attempts" },
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...head.map((name) =>
            el(
              "th",
              { scope: "col" },
              name,
              ...(stream && name === "Took" ? [el("span", { class: "unit" }, "to first content")] : [])
            )
          )
        )
      ),
      el(
        "tbody",
        {},
        ...attempts.map((attempt, index) =>
          el(
            "tr",
            {},
            el("td", { class: "dim" }, String(index + 1)),
            el("th", { scope: "row" }, attempt.target),
            el("td", {}, el("span", { class: `badge ${attempt.outcome === "ok" ? "ok" : "bad"}` }, attempt.outcome)),
            el("td", { title: allowed[attempt.class] ?? "" }, nextOf(attempts, index)),
            el("td", {}, duration(attempt.waited_ms)),
            el("td", {}, duration(attempt.after_ms)),
            el("td", {}, duration(attempt.duration_ms)),
            el("td", {}, tokensOf(attempt)),
            el("td", {}, attemptCostOf(attempt)),
            el("td", {}, waterfall(attempt, total, stream))
          )
        )
      )
    )
  )
}

const describe = (record) => {
  const { attempts, candidates, input_tokens, output_tokens, resumed, skipped, trace_id } = record
  const json = JSON.stringify(record, null, 2)
  return [
    facts([
      ["Ended", endingOf(record)],
      ["Received", new Date(record.at_ms).toISOString()],
      ["Over", record.duration_ms === undefined ? undefined : new Date(overAt(record)).toISOString()],
      ["Took", record.duration_ms === undefined ? undefined : duration(record.duration_ms)],
      ["First content", record.first_content_ms === undefined ? undefined : duration(record.first_content_ms)],
      ["Asked for", `${record.alias}${record.stream ? ", as a stream" : ""}`],
      ["Answered by", record.winner ?? "nobody"],
      ["Candidates", candidates.length === 0 ? undefined : candidates.join(", ")],
      [
        "Passed over",
        skipped.length === 0 ? undefined : skipped.map(({ target, why }) => `${target}: ${why}`).join(", ")
      ],
      ["Resumed", resumed === undefined ? undefined : `${resumed} times`],
      ["Tokens", input_tokens === undefined ? undefined : `${count(input_tokens)} in, ${count(output_tokens)} out`],
      ["Cost", moneyOf(record)],
      trace_id === undefined
        ? ["Trace", "none: tracing is off"]
        : ["Trace", trace_id, copyButton("the trace id", trace_id)],
      ["Worker", record.worker === undefined ? undefined : String(record.worker)]
    ]),
    el("h3", {}, attempts.length === 1 ? "One attempt" : `${attempts.length} attempts`),
    ...(attempts.length === 0 ? [el("p", { class: "dim" }, "Nothing was sent to anybody.")] : [attemptsTable(record)]),
    el("details", {}, el("summary", {}, "The record as JSON"), el("pre", {}, json))
  ]
}

const open = async (id, known) => {
  let body
  try {
    body = describe(known ?? await ask(`${monitoring}/requests/${encodeURIComponent(id)}`))
  } catch (error) {
    body = [el("p", {}, error.message)]
  }
  setText(byId("record-title"), `Request ${id}`)
  byId("record-body").replaceChildren(...body)
  if (!byId("record").open) byId("record").showModal()
  const hash = `#request=${encodeURIComponent(id)}`
  if (location.hash !== hash) history.replaceState(null, "", hash)
}

byId("close").addEventListener("click", () => byId("record").close())
byId("record").addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search))
byId("record").addEventListener("click", (event) => event.target === byId("record") && byId("record").close())

byId("search").addEventListener("submit", (event) => {
  event.preventDefault()
  const id = byId("query").value.trim()
  if (id !== "") open(id)
})

const followHash = () => {
  const found = /^#request=(.+)$/.exec(location.hash)
  if (found === null) return
  try {
    open(decodeURIComponent(found[1]))
  } catch {
    complain("The address names no request id that can be read.")
  }
}
addEventListener("hashchange", followHash)

// ---- what is told aloud ----

let told = new Map()

/** Only what changed and matters: a status, a circuit. */
const tell = ({ status, targets }) => {
  const next = new Map([["the gateway", status], ...targets.map(({ breaker, target }) => [target, breaker.state])])
  const changed = Array.from(next).filter(([name, state]) => told.has(name) && told.get(name) !== state)
  if (changed.length > 0) {
    const more = changed.length > 3 ? `, and ${changed.length - 3} more` : ""
    announce(changed.slice(0, 3).map(([name, state]) => `${name} is ${state}`).join(", ") + more)
  }
  told = next
}

// ---- live ----

let seen
/** By the clock of the browser, for the time on the page is compared with its own. */
let seenAtMs = 0
let isPaused = false

const draw = (value) => {
  seen = value
  tell(value)
  for (const part of [drawStatus, drawNow, drawTargets, drawCharts, drawMoney, drawMatrix, drawRecent]) part(value)
  fadeAll()
}

/** Edges fade where there is more to see. */
const fade = (node) => {
  const { clientWidth, scrollLeft, scrollWidth } = node
  node.classList.toggle("more-left", scrollLeft > 1)
  node.classList.toggle("more-right", scrollLeft + clientWidth < scrollWidth - 1)
}
const fadeAll = () => document.querySelectorAll(".scroll").forEach(fade)
addEventListener("resize", fadeAll)
document.addEventListener("scroll", ({ target }) => target.classList?.contains("scroll") && fade(target), true)
document.addEventListener("toggle", fadeAll, true)

/** What is shown is old: it says from when, and looks like it. */
const setStale = (isStale) => {
  document.body.classList.toggle("stale", isStale)
  byId("stale").hidden = !isStale || seen === undefined
  if (!isStale || seen === undefined) return
  const why = seen.phase === "draining" ? "The server has closed its door" : "The server does not answer"
  setText(byId("stale"), `${why}. Last seen ${timeOf(seenAtMs)}; what follows is from then. Trying again.`)
}

const setLive = (name, text) => {
  setClass(byId("live"), `live ${name}`)
  if (byId("live-text").textContent === text) return
  setText(byId("live-text"), text)
}

let lastAt = 0
let source

const connect = () => {
  source = new EventSource(`${monitoring}/stream`)
  source.addEventListener("message", ({ data }) => {
    if (lastAt === 0 && seen !== undefined) announce("The connection is back")
    lastAt = performance.now()
    setStale(false)
    const value = JSON.parse(data)
    if (isPaused) return
    seenAtMs = Date.now()
    setLive("on", value.phase === "draining" ? "Draining" : "Live")
    draw(value)
  })
  source.addEventListener("error", () => {
    if (lastAt !== 0) announce("The connection is lost")
    lastAt = 0
    if (!isPaused) setLive("off", "No data")
    setStale(true)
    // The browser comes again by itself unless it was answered with an error.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000)
  })
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused
  setClass(byId("pause"), isPaused ? "on" : "")
  setText(byId("pause"), isPaused ? "Resume" : "Pause")
  announce(isPaused ? "Paused" : "Resumed")
  setLive(isPaused ? "" : lastAt === 0 ? "off" : "on", isPaused ? "Paused" : lastAt === 0 ? "No data" : "Live")
})

const themes = ["auto", "light", "dark"]
const setTheme = (theme) => {
  if (theme === "auto") delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  setText(byId("theme"), `Theme: ${theme}`)
  localStorage.setItem("theme", theme)
}
byId("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? "auto"
  setTheme(themes[(themes.indexOf(now) + 1) % themes.length])
})
setTheme(themes.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto")

connect()
followHash()
