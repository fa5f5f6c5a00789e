/** Debian's Chromium on the page of a real gateway, with everything noted that the page should not do. */
import { existsSync } from "node:fs"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

/** Absent = the tests of the page in a browser are skipped. */
export const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path))

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

export const launch = (): Promise<Browser> =>
  chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), args: flags })

export interface Visit {
  readonly page: Page
  /** Errors and warnings of the console, errors that nobody caught, and requests to anywhere else. */
  readonly complaints: Array<string>
}

/** The dashboard, once it shows the first value. */
export const visit = async (
  browser: Browser,
  origin: string,
  options: BrowserContextOptions & { readonly tail?: string; readonly before?: (page: Page) => Promise<unknown> } = {}
): Promise<Visit> => {
  const { before, tail = "", ...context } = options
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, ...context })
  const complaints: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("request", (request) => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !url.startsWith("data:")) complaints.push(`asked ${url}`)
  })
  await before?.(page)
  await page.goto(`${origin}/dashboard${tail}`)
  await page.getByText("since the start", { exact: false }).first().waitFor()
  return { page, complaints }
}
