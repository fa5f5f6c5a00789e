import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import type { Browser, Page } from "playwright-core"
import * as Gateway from "../wire/Gateway.ts"
import { contrastFaults, focusStops, unnamed } from "./Accessibility.ts"
import { executablePath, launch, visit } from "./Chromium.ts"

const target = "main/sim-fast"
const hostile = "<img src=x onerror=\"window.hit=1\"><script>window.hit=2</script>'\"`${1}"
let gateway: Gateway.Gateway
let browser: Browser

const ask = async (model: string, id?: string, stream = false) => {
  const response = await fetch(`${gateway.url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(id === undefined ? {} : { "x-request-id": id }) },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: "hi" }] })
  })
  await response.text()
  return response.status
}

const open = (reason: string) =>
  fetch(`${gateway.origin}/api/v1/health/circuit-breakers/open`, {
    method: "POST",
    body: JSON.stringify({ target, reason })
  })

const rowOf = (page: Page, name: string) => page.locator("#targets tr", { hasText: name })

describe.skipIf(executablePath === undefined)("the page in a browser (skipped where Chromium is absent)", () => {
  beforeAll(async () => {
    gateway = await Gateway.start({
      providers: {
        main: {
          kind: "simulated",
          prices: {
            "sim-fast": { usdPerMtok: { input: "3", output: "15" } },
            "sim-cut": { usdPerMtok: { input: "3", output: "15" } }
          }
        },
        backup: { kind: "simulated" }
      },
      models: {
        fast: { targets: [{ provider: "main", model: "sim-fast" }] },
        [hostile]: { targets: [{ provider: "main", model: "sim-fast" }] },
        smart: { targets: [{ provider: "main", model: "sim-down" }, { provider: "backup", model: "sim-fast" }] }
      }
    })
    browser = await launch()
  })

  afterAll(async () => {
    await browser.close()
    expect(await gateway.stop()).toBe(0)
  })

  it("loads without a complaint and without a request to anywhere else, and shows a request as soon as it is over", async () => {
    const { complaints, page } = await visit(browser, gateway.origin)
    await page.getByText("No request has come yet").waitFor()
    expect(await ask("fast", "first-of-all")).toBe(200)
    await page.getByRole("button", { name: "first-of-all" }).waitFor()
    expect(await rowOf(page, target).textContent()).toContain("closed")
    await page.locator("#money tr", { hasText: "sim-fast" }).waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  it("resets a circuit with one press, which the very next call finds", async () => {
    const { complaints, page } = await visit(browser, gateway.origin)
    await open("maintenance")
    expect(await ask("fast")).toBe(503)
    const row = rowOf(page, target)
    await row.getByText("forced open").waitFor()
    await row.getByText("maintenance").waitFor()
    await page.getByRole("button", { name: `Reset ${target}` }).click()
    await row.getByText("● closed").waitFor()
    expect(await ask("fast")).toBe(200)
    expect(await page.getByRole("status").textContent()).toContain(target)
    expect(complaints).toEqual([])
    await page.close()
  })

  it("finds a request by its id, with every attempt, and says so when there is none", async () => {
    expect(await ask("smart", "with-trouble", true)).toBe(200)
    const { complaints, page } = await visit(browser, gateway.origin)
    await page.getByLabel("Request id").fill("with-trouble")
    await page.keyboard.press("Enter")
    const dialog = page.getByRole("dialog", { name: "Request with-trouble" })
    await dialog.getByText("recovered").waitFor()
    const text = await dialog.textContent()
    for (const told of ["main/sim-down", "Overloaded", "backup/sim-fast", "not known: model", "tracing is off"]) {
      expect(text).toContain(told)
    }
    await page.keyboard.press("Escape")
    await dialog.waitFor({ state: "hidden" })
    expect(complaints).toEqual([])
    await page.getByLabel("Request id").fill("no-such")
    await page.getByRole("button", { name: "Find" }).click()
    await page.getByText("No request with this id is remembered here").waitFor()
    await page.close()
  })

  it("says what a request may have cost whose stream broke off, and that this is a guess", async () => {
    await ask("main/sim-cut", "cut-off", true)
    const { page } = await visit(browser, gateway.origin, { tail: "#request=cut-off" })
    await page.getByRole("dialog", { name: "Request cut-off" })
      .getByText(/^not known: usage, about 0\.000\d+ USD by a guess at the tokens$/).waitFor()
    expect(await page.locator("#record tbody tr td").allTextContents()).toContainEqual(
      expect.stringMatching(/^≈ 0\.000\d+$/)
    )
    await page.close()
  })

  for (const width of [1440, 1200, 820, 390]) {
    it(`leaves no hole among the numbers of now at ${width} pixels`, async () => {
      const { page } = await visit(browser, gateway.origin, { viewport: { width, height: 1000 } })
      const tops: ReadonlyArray<number> = await page.locator("#now .tile").evaluateAll((tiles) =>
        tiles.map((tile) => tile.getBoundingClientRect().top)
      )
      const rows = [...Map.groupBy(tops, (top) => top).values()].map(({ length }) => length)
      expect(new Set(rows).size).toBe(1)
      await page.close()
    })
  }

  it("opens the request that its address names", async () => {
    await ask("fast", "linked")
    const { page } = await visit(browser, gateway.origin, { tail: "#request=linked" })
    await page.getByRole("dialog", { name: "Request linked" }).getByText("answered", { exact: true }).waitFor()
    await page.close()
  })

  it("asks its routes also where its address has the admin key in it", async () => {
    await ask("fast", "bookmarked")
    const origin = gateway.origin.replace("//", "//operator:key@")
    const { page } = await visit(browser, origin, { tail: "#request=bookmarked" })
    await page.getByRole("dialog", { name: "Request bookmarked" }).getByText("answered", { exact: true }).waitFor()
    await page.close()
  })

  it("shows hostile names, reasons and errors as the text that they are", async () => {
    const payload = hostile
    // The file's own alias is told as it stands, a caller's made-up model is not.
    expect(await ask(payload)).toBe(200)
    expect(await ask(`${payload} of a caller`)).toBe(404)
    await open(payload)
    const { complaints, page } = await visit(browser, gateway.origin)
    await page.locator("#recent").getByText(payload, { exact: true }).first().waitFor()
    await page.locator("#recent").getByText("other", { exact: true }).first().waitFor()
    expect(await page.locator("main").textContent()).not.toContain("of a caller")
    await rowOf(page, target).getByText(payload, { exact: false }).waitFor()
    expect(await page.evaluate("[window.hit ?? null, document.querySelectorAll('main img, main script').length]"))
      .toEqual([
        null,
        0
      ])
    expect(complaints).toEqual([])
    await gateway.monitoring()
    await page.getByRole("button", { name: `Reset ${target}` }).click()
    await rowOf(page, target).getByText("● closed").waitFor()
    await page.close()
  })

  it("shows any value with hostile text in every place as the text that it is", async () => {
    const payload = "</title></script><svg onload=\"window.hit=1\"><img src=x onerror=\"window.hit=2\">"
    const kept = new Set(["state", "status", "phase", "costUsd", "cost_usd", "ended"])
    const poison = (value: unknown, key = ""): unknown => {
      if (typeof value === "string") return kept.has(key) ? value : `${payload}${value}`
      if (Array.isArray(value)) return value.map((one) => poison(one, key))
      return typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, poison(one, name)]))
        : value
    }
    const value = JSON.stringify(poison(await gateway.monitoring()))
    const { complaints, page } = await visit(browser, gateway.origin, {
      before: (page) =>
        page.route(
          "**/monitoring/stream",
          (route) => route.fulfill({ contentType: "text/event-stream", body: `data: ${value}\n\n` })
        )
    })
    await page.locator("#recent button").first().click()
    await page.getByRole("dialog").getByText("attempt").first().waitFor()
    expect(
      await page.evaluate(
        "[window.hit ?? null, document.querySelectorAll('main img, dialog img, main script, svg[onload]').length]"
      )
    )
      .toEqual([null, 0])
    expect((await page.locator("#recent").textContent())?.includes(payload)).toBe(true)
    expect(complaints).toEqual([])
    await page.close()
  })

  it("is held by its policy: a script that got into the page does not run, and text is never taken for markup", async () => {
    const { page } = await visit(browser, gateway.origin)
    const tried = (code: string) =>
      page.evaluate(`(() => { try { ${code}; return "done" } catch (error) { return error.name } })()`)
    expect(await tried("document.body.innerHTML = '<b>x</b>'")).toBe("TypeError")
    expect(
      await tried("const s = document.createElement('script'); s.text = 'window.hit = 3'; document.body.append(s)")
    )
      .toBe("TypeError")
    expect(await page.evaluate("window.hit ?? null")).toBe(null)
    await page.close()
  })

  for (const colorScheme of ["light", "dark"] as const) {
    it(`has enough contrast everywhere when it is ${colorScheme}`, async () => {
      await open("maintenance")
      await ask("fast")
      const { page } = await visit(browser, gateway.origin, { colorScheme })
      await rowOf(page, target).getByText("forced open").waitFor()
      await page.locator("#recent button").first().waitFor()
      expect(await contrastFaults(page)).toEqual([])
      await page.locator("#recent button").first().click()
      await page.getByRole("dialog").waitFor()
      expect(await contrastFaults(page)).toEqual([])
      await page.close()
      await fetch(`${gateway.origin}/api/v1/health/circuit-breakers/reset`, { method: "POST" })
    })
  }

  it("is looked at by eyes that see a fault", async () => {
    const { page } = await visit(browser, gateway.origin)
    await page.evaluate("document.querySelector('h1').style.color = 'rgb(128 128 128 / 50%)'")
    await page.evaluate("document.querySelector('#pause').tabIndex = -1")
    await page.evaluate("document.querySelector('#pause').textContent = ''")
    expect(await contrastFaults(page)).toHaveLength(1)
    expect((await focusStops(page)).missed).toHaveLength(1)
    expect(await unnamed(page)).toHaveLength(1)
    await page.close()
  })

  it("takes the theme that is chosen, and keeps it", async () => {
    const { page } = await visit(browser, gateway.origin, { colorScheme: "light" })
    const background = () => page.evaluate("getComputedStyle(document.body).backgroundColor")
    const light = await background()
    await page.getByRole("button", { name: "Theme: auto" }).click()
    await page.getByRole("button", { name: "Theme: light" }).click()
    expect(await background()).not.toBe(light)
    await page.reload()
    await page.getByRole("button", { name: "Theme: dark" }).waitFor()
    expect(await background()).not.toBe(light)
    await page.close()
  })

  it("lets the keyboard reach every control, each of which shows the focus and has a name", async () => {
    const { page } = await visit(browser, gateway.origin)
    await page.locator("#recent button").first().waitFor()
    await page.getByRole("button", { name: "Pause" }).click()
    const { missed, withoutOutline } = await focusStops(page)
    expect(missed).toEqual([])
    expect(withoutOutline).toEqual([])
    expect(await unnamed(page)).toEqual([])
    await page.close()
  })

  it("keeps the focus where it is while the values go on", async () => {
    await ask("fast")
    const { page } = await visit(browser, gateway.origin)
    const button = page.getByRole("button", { name: `Reset ${target}` })
    await button.focus()
    for (const id of ["one-more", "and-one-more"]) {
      await ask("smart", id)
      await page.getByRole("button", { name: id, exact: true }).waitFor()
    }
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe(`Reset ${target}`)
    await page.close()
  })

  it("is no wider than a phone", async () => {
    const { page } = await visit(browser, gateway.origin, { viewport: { width: 390, height: 844 } })
    await page.locator("#recent button").first().waitFor()
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390)
    await page.close()
  })

  it("moves nothing for who asked for less motion", async () => {
    const { page } = await visit(browser, gateway.origin, { reducedMotion: "reduce" })
    expect(await page.evaluate("document.getAnimations().length")).toBe(0)
    await page.close()
  })

  it("asks before it resets all targets, and does nothing when the answer is no", async () => {
    await ask("fast")
    await open("maintenance")
    const { page } = await visit(browser, gateway.origin)
    await rowOf(page, target).getByText("forced open").waitFor()
    let asked = 0
    page.on("request", (request) => void (asked += request.method() === "POST" ? 1 : 0))
    await page.getByRole("button", { name: "Reset all", exact: true }).click()
    const dialog = page.getByRole("dialog", { name: "Reset all targets?" })
    await dialog.getByText("(1 now)").waitFor()
    await page.keyboard.press("Enter")
    await dialog.waitFor({ state: "hidden" })
    expect(asked).toBe(0)
    await page.getByRole("button", { name: "Reset all", exact: true }).click()
    await page.getByRole("button", { name: "Reset all targets" }).click()
    await rowOf(page, target).getByText("● closed").waitFor()
    expect(asked).toBe(1)
    await page.close()
  })

  it("says how long it is until what was forced ends by itself, and when nothing but a reset ends it", async () => {
    const { page } = await visit(browser, gateway.origin)
    await open("maintenance")
    await rowOf(page, target).getByText("maintenance · until it is reset").waitFor()
    for (const action of ["open", "close", "metrics-only"]) {
      await fetch(`${gateway.origin}/api/v1/health/circuit-breakers/${action}`, {
        method: "POST",
        body: JSON.stringify({ target, reason: action, ttl: "1h" })
      })
      await rowOf(page, target).getByText(new RegExp(`${action} · ends in (?:59 min|1 h)`)).waitFor()
    }
    await fetch(`${gateway.origin}/api/v1/health/circuit-breakers/reset`, { method: "POST" })
    await page.close()
  })

  it("does not call a cost nothing that it does not know", async () => {
    const alone = await Gateway.start()
    const { page } = await visit(browser, alone.origin)
    const cost = page.locator("#now .tile", { hasText: "Cost" }).locator(".value")
    await cost.filter({ hasText: /^–$/ }).waitFor()
    await fetch(`${alone.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "sim", messages: [{ role: "user", content: "hi" }] })
    }).then((response) => response.text())
    await page.getByText("1 unpriced").waitFor()
    expect(await cost.textContent()).toBe("–")
    // A stream that breaks before its usage has told nobody what it used.
    await fetch(`${alone.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "sim-cut", stream: true, messages: [{ role: "user", content: "hi" }] })
    }).then((response) => response.text())
    const cells = page.locator("#money tr", { hasText: "sim-cut" }).locator(".num")
    await cells.first().waitFor()
    expect(await cells.allTextContents()).toEqual(["1", "–", "–", "–", "–", "1"])
    await page.close()
    expect(await alone.stop()).toBe(0)
  })

  for (const width of [1440, 1360, 820, 390]) {
    it(`shows how a request ended and the control of a target without scrolling at ${width} pixels`, async () => {
      const { page } = await visit(browser, gateway.origin, { viewport: { width, height: 1000 } })
      const right = async (selector: string) => {
        const box = await page.locator(selector).first().boundingBox()
        return (box?.x ?? Infinity) + (box?.width ?? 0)
      }
      await page.locator("#recent .badge").first().waitFor()
      expect(await right("#recent .badge")).toBeLessThan(width)
      expect(await right("#recent button")).toBeLessThan(width)
      expect(await right("#targets button")).toBeLessThan(width)
      const cutOff = await page.locator("#now .value").evaluateAll((values) =>
        values.filter((value) => value.scrollWidth > value.clientWidth).map((value) => value.textContent)
      )
      expect(cutOff).toEqual([])
      await page.close()
    })
  }

  it("is called to go on by the button that stopped it", async () => {
    const { page } = await visit(browser, gateway.origin)
    await page.getByRole("button", { name: "Pause" }).click()
    await page.getByText("Paused", { exact: true }).first().waitFor()
    await page.getByRole("button", { name: "Resume" }).click()
    await page.getByText("Live", { exact: true }).waitFor()
    await page.close()
  })

  it("goes on while the server drains", async () => {
    const alone = await Gateway.start({ server: { drain: { notReady: "4s", streams: "1s" } } })
    const { page } = await visit(browser, alone.origin)
    const stopped = alone.stop()
    await page.getByText("Draining", { exact: true }).waitFor()
    const shown = await page.locator("#phase").textContent()
    await page.locator("#phase").filter({ hasNotText: shown ?? "" }).waitFor()
    await page.getByText("Draining", { exact: true }).waitFor()
    expect(await stopped).toBe(0)
    await page.getByText("The server has closed its door").waitFor()
    await page.close()
  })

  it("says when there are no more data", async () => {
    const alone = await Gateway.start()
    const { page } = await visit(browser, alone.origin)
    await page.getByText("Live", { exact: true }).waitFor()
    expect(await alone.stop()).toBe(0)
    await page.getByText("No data", { exact: true }).waitFor()
    await page.getByText(/Last seen \d\d:\d\d:\d\d/).waitFor()
    expect(await page.evaluate("getComputedStyle(document.querySelector('main')).filter")).toBe("grayscale(1)")
    await page.close()
  })

  it("works with the admin key as the password that the browser asks for", async () => {
    const alone = await Gateway.start({ server: { adminKey: "secret" } })
    const { complaints, page } = await visit(browser, alone.origin, {
      httpCredentials: { username: "operator", password: "secret" }
    })
    await page.getByText("Live", { exact: true }).waitFor()
    await page.getByRole("button", { name: "Reset all", exact: true }).click()
    await page.getByRole("button", { name: "Reset all targets" }).click()
    await page.getByText("targets reset").waitFor({ state: "attached" })
    expect(complaints.filter((line) => !line.includes("401"))).toEqual([])
    await page.close()
    expect(await alone.stop()).toBe(0)
  })
})
