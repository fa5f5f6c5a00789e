/** What people without a mouse or with weak eyes need of the page, looked at in the browser itself. */
import type { Page } from "playwright-core"

/** Texts whose contrast with what is behind them is below WCAG's AA: 4.5, or 3 for large ones. */
export const contrastFaults = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(`(() => {
    const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
      .getContext("2d", { willReadFrequently: true })
    const rgba = (color) => {
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = color
      context.fillRect(0, 0, 1, 1)
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data
      return [r, g, b, a / 255]
    }
    const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1)
    const behind = (node) => {
      const layers = []
      for (let at = node; at !== null; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor))
      return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1])
    }
    const luminance = (color) => {
      const [r, g, b] = color.map((value) => value / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const faults = new Set()
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement
      if (walker.currentNode.data.trim() === "" || node.closest("script, style, .sr, svg, noscript, .skip") !== null) continue
      if (!node.checkVisibility()) continue
      const style = getComputedStyle(node)
      const back = behind(node)
      const [a, b] = [luminance(over(rgba(style.color), back)), luminance(back)].sort((x, y) => y - x)
      const contrast = (a + 0.05) / (b + 0.05)
      const size = parseFloat(style.fontSize)
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
      if (contrast < (isLarge ? 3 : 4.5)) faults.add(node.tagName + "." + node.className + " " + contrast.toFixed(2))
    }
    return [...faults]
  })()`)

/** Tabs through the page from its beginning; what can be pressed or scrolled and was never reached, or does not show it. */
export const focusStops = async (page: Page) => {
  await page.evaluate(`(() => {
    window.controls = [...document.querySelectorAll("button, input, summary, a[href], [tabindex='0']")]
      .filter((node) => node.checkVisibility())
    window.reached = new Set()
    window.bare = new Set()
    document.activeElement.blur()
  })()`)
  const count = await page.evaluate<number>("window.controls.length")
  for (let press = 0; press < count + 3; press++) {
    await page.keyboard.press("Tab")
    await page.evaluate(`(() => {
      const node = document.activeElement
      window.reached.add(node)
      if (node !== document.body && getComputedStyle(node).outlineStyle === "none") window.bare.add(node)
    })()`)
  }
  const listed = (expression: string) =>
    page.evaluate<ReadonlyArray<string>>(`[...${expression}].map((node) => node.outerHTML.slice(0, 90))`)
  return {
    missed: await listed("window.controls.filter((node) => !window.reached.has(node))"),
    withoutOutline: await listed("window.bare")
  }
}

/** Controls without a name, header cells without a scope, and landmarks that are not there exactly once. */
export const unnamed = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(`(() => {
    const nameless = [...document.querySelectorAll("button, input")].filter((node) =>
      (node.getAttribute("aria-label") ?? "") === "" && node.textContent.trim() === "" && (node.labels?.length ?? 0) === 0)
    const loose = [...document.querySelectorAll("th:not([scope])")]
    const marks = ["header", "main", "h1", "[role=search]", "[role=status][aria-live=polite]"]
      .filter((selector) => document.querySelectorAll(selector).length !== 1)
    const sections = [...document.querySelectorAll("section")].filter((node) =>
      document.getElementById(node.getAttribute("aria-labelledby") ?? "") === null)
    return [...nameless, ...loose, ...sections].map((node) => node.outerHTML.slice(0, 90)).concat(marks)
  })()`)
