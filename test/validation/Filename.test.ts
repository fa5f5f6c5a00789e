import { describe, expect, it } from "@effect/vitest"
import { flawOf, safe } from "../../src/validation/Filename.ts"

const separator = "contains a path separator"
const unseen = "contains a character that cannot be seen"
const encoded = "contains an encoded dot, separator or end of text"
const begins = "begins with a dot, a dash, a tilde or a blank"
const ends = "ends with a dot or a blank"
const device = "is the name of a device"
const reserved = "contains one of < > : \" | ? *"
const doubled = "contains two dots in a row"

/** Names, and what is said of each. */
const refused: Readonly<Record<string, ReadonlyArray<string>>> = {
  "is empty": ["", " ", "\t", "\u3000"],
  [separator]: [
    "../etc/passwd",
    "../../../../etc/shadow",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "C:\\boot.ini",
    "\\\\host\\share\\a",
    "a/b",
    "a\\b",
    "./a",
    "a/",
    "file:///etc/passwd",
    "．．／．．／etc",
    "..\u2215etc",
    "..\u2044etc",
    "a\u29f8b",
    "a\u29f5b",
    "a\uff3cb",
    "a\ufe68b",
    "a\u2216b",
    "\u2025/etc",
    "a\u2100b"
  ],
  [encoded]: [
    "..%2f..%2fetc",
    "%2e%2e%5cwin.ini",
    "..%252f..%252fetc",
    "%25252e%25252e",
    "a.pdf%00.exe",
    "..%c0%afetc",
    "..%c1%9cetc",
    "..%e0%80%afetc",
    "..%u2215etc",
    "..&#x2f;etc",
    "..&#47;etc",
    "a%2Fb"
  ],
  [unseen]: [
    "a\u0000.pdf",
    "a.pdf\u0000.exe",
    "a\nb.pdf",
    "a\r\nSet-Cookie: x",
    "a\u001b[31m.pdf",
    "a\u007f.pdf",
    "a\u0085.pdf",
    "invoice\u202efdp.exe",
    "a\u2066b.pdf",
    "a\u200bb.pdf",
    "a\u2060b.pdf",
    "\ufeffa.pdf",
    "a\u2028b.pdf",
    "a\u{e0041}.pdf",
    "a\ud83d.pdf",
    "a\udc00.pdf",
    "a\u3164.pdf",
    "a\u2800.pdf",
    "a\u00adb.pdf",
    "a\ue000.pdf",
    "a\uffff.pdf"
  ],
  [begins]: [
    ".htaccess",
    ".env",
    ".",
    "..",
    "...",
    "....pdf",
    "-rf",
    "--help",
    "~root",
    "~$report.docx",
    " a.pdf",
    "\u00a0a.pdf",
    "\u200d.htaccess",
    "\uff0ehtaccess",
    "\uff0drf",
    "\u2024env"
  ],
  [ends]: ["a.pdf.", "a.pdf ", "a.", "a.exe\u00a0", "a.pdf\uff0e"],
  [device]: [
    "CON",
    "con",
    "PRN.txt",
    "aux.pdf",
    "NUL",
    "nul.tar.gz",
    "COM1",
    "com9.log",
    "LPT1.txt",
    "COM\u00b9.txt",
    "lpt\u00b3",
    "CONIN$",
    "conout$.txt",
    "CLOCK$",
    "nul .txt",
    "ＣＯＮ",
    "COM0"
  ],
  [reserved]: ["a:b", "a.pdf:hidden.exe", "a<b>.pdf", "a|b", "a?.pdf", "a*.pdf", "\"a\".pdf", "NUL:"],
  [doubled]: ["a..pdf", "a..b", "a\u2025b", "report\uff0e\uff0epdf"],
  "has the extension .exe, which is not taken": [
    "a.exe",
    "a.EXE",
    "a.pdf.exe",
    "a.eXe",
    "a.ｅｘｅ",
    "a\uff0eexe",
    "a\u2024exe",
    "a.ехе",
    "a.ex\u200de",
    "a.ex\ufe0fe",
    "a.𝐞𝐱𝐞",
    "a.ⓔⓧⓔ"
  ],
  "has the extension .scr, which is not taken": ["photo.scr", "photo.jpg.scr", "photo.ѕсr"],
  "has the extension .lnk, which is not taken": ["a.lnk"],
  "has the extension .bat, which is not taken": ["a.bat"],
  "has the extension .ps1, which is not taken": ["a.ps1"],
  "has the extension .jar, which is not taken": ["a.jar"],
  "has the extension .hta, which is not taken": ["a.hta"],
  "has the extension .iso, which is not taken": ["a.iso"],
  "has the extension .com, which is not taken": ["command.com"],
  "has a second extension .exe before the last one": ["a.exe.pdf", "a.EXE.txt", "a.exe.b.pdf"],
  "has a second extension .php before the last one": ["a.php.jpg", "a.pHp.png", "a.php.txt"],
  "has a second extension .html before the last one": ["a.html.png"],
  "has a second extension .svg before the last one": ["a.svg.png"],
  "has a second extension .jsp before the last one": ["a.jsp.png"],
  "has a second extension .js before the last one": ["a.js.txt"],
  "is longer than 255 bytes": [
    `${"a".repeat(252)}.pdf`,
    "é".repeat(128),
    "日".repeat(86),
    "😀".repeat(64),
    "a".repeat(1e6)
  ]
}

const taken = [
  "Q3 results, draft 2.xlsx",
  "IMG_20261123_091500.jpeg",
  "Ελληνικά.txt",
  "meeting notes - 23 Nov.md",
  "report.pdf",
  "Report (final) [v2].pdf",
  "résumé.pdf",
  "re\u0301sume\u0301.pdf",
  "日本語.pdf",
  "ノート・資料.pdf",
  "提案：最終版.pdf",
  "отчёт.docx",
  "תשובה.pdf",
  "می\u200cخواهم.pdf",
  "👩\u200d🚀.png",
  "❤️.png",
  "main.py",
  "main.js",
  "index.html",
  "logo.svg",
  "jquery.min.js",
  "types.d.ts",
  "archive.tar.gz",
  "v1.2.3.txt",
  "example.com.har",
  "Makefile",
  "100%.pdf",
  "a%20b.pdf",
  "it's.pdf",
  "a & b; c.pdf",
  "a=b+c,d.csv",
  "$x.csv",
  "#1 @home.txt",
  "console.txt",
  "comic.pdf",
  "auxiliary.txt",
  "nullable.txt",
  "com10.txt",
  "wait….txt",
  "a".repeat(255),
  `${"é".repeat(125)}.pdf`
]

const cases = Object.entries(refused).flatMap(([flaw, names]) => names.map((name) => ({ name, flaw })))

describe("a filename", () => {
  it("is judged by more than a hundred bad ones", () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBeGreaterThan(100)
  })

  it("has more than forty neighbours that are taken", () => {
    expect(new Set(taken).size).toBeGreaterThanOrEqual(40)
  })

  it.each(cases)("$name is refused: it $flaw", ({ flaw, name }) => {
    expect(flawOf(name)).toBe(flaw)
  })

  it.each(cases)("$name becomes one that is taken", ({ name }) => {
    const made = safe(name)
    expect(flawOf(made)).toBeUndefined()
    expect(safe(made)).toBe(made)
  })

  it.each(taken)("%s is taken as it is", (name) => {
    expect(flawOf(name)).toBeUndefined()
    expect(safe(name)).toBe(name.normalize("NFC"))
  })

  it("can be held to a list of extensions, in whatever case", () => {
    const allow = new Set(["pdf", "csv"])
    expect(flawOf("a.PDF", { allow })).toBeUndefined()
    expect(flawOf("a.txt", { allow })).toBe("has an extension that is not taken; taken are pdf, csv")
    expect(flawOf("pdf", { allow })).toMatch(/^has an extension that is not taken/)
    expect(flawOf("a.exe", { allow: new Set(["exe"]) })).toMatch(/\.exe/)
    expect(safe("a.txt", { allow })).toBe("a_txt.pdf")
    expect(safe("", { allow })).toBe("file.pdf")
  })

  it("can have extensions denied besides the dangerous ones", () => {
    const deny = new Set(["docm"])
    expect(flawOf("a.docm", { deny })).toBe("has the extension .docm, which is not taken")
    expect(safe("a.docm", { deny })).toBe("a_docm")
    expect(flawOf("a.docm")).toBeUndefined()
  })
})

describe("a safe name", () => {
  it.each([
    ["../../etc/passwd", "passwd"],
    ["C:\\dir\\report.pdf", "report.pdf"],
    ["invoice\u202efdp.exe", "invoicefdp_exe"],
    ["a.php.jpg", "a_php.jpg"],
    ["CON.txt", "_CON.txt"],
    [".htaccess", "htaccess"],
    ["re\u0301sume\u0301 .pdf ", "résumé .pdf"],
    ["a\ud83d.pdf", "a.pdf"],
    ["\u0000", "file"],
    ["...", "file"],
    ["a:b?.pdf", "ab.pdf"]
  ])("of %j is %s", (name, made) => {
    expect(safe(name)).toBe(made)
  })

  it("keeps its extension when it is cut, and no half character", () => {
    const made = safe(`${"😀".repeat(100)}.pdf`)
    expect(Buffer.byteLength(made)).toBeLessThanOrEqual(255)
    expect(made).toMatch(/^(?:😀)+\.pdf$/u)
  })
})
