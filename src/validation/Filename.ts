/**
 * Is this a name that a file may have anywhere? A filename of a request is judged and never changed; `safe` makes one for a place
 * that has to store or show it. Trap: a safe name is still only a label, never a key or a path.
 */

/** Extensions are in lower case, without the dot. */
export interface FilenamePolicy {
  /** The only extensions that are taken. Default: every one that is not denied. */
  readonly allow?: ReadonlySet<string> | undefined
  /** Extensions that are refused besides the dangerous ones. Default none. */
  readonly deny?: ReadonlySet<string> | undefined
}

/** Most bytes of UTF-8 that file systems take. */
const maxBytes = 255

/** Characters that a safe name is made of; what stands before them cannot be the last part of a path. */
const mostRead = 4096

const setOf = (words: string): ReadonlySet<string> => new Set(words.split(" "))

/** What a double click runs, or what mounts or installs something. */
const executables = setOf(
  "apk app appimage appref-ms appx appxbundle bat chm cmd com command cpl crx deb desktop dll dmg drv elf exe gadget hlp hta " +
    "img inf ins iso isp jar jnlp jse kext ko lnk mde msc msi msix msp mst ocx out paf pif pkg prg ps1 ps1xml psc1 psd1 psm1 " +
    "reg rgs run scf scpt scr sct settingcontent-ms shb shs so sys url vb vbe vbs vhd vhdx website workflow ws wsc wsf wsh xbap xll xnk xpi"
)

/** What runs on a desktop, in a browser or on a web server: before another extension these are a disguise. */
const disguises = setOf(
  "asa ashx asmx asp aspx bat cgi cmd cpl exe hta htaccess htm html jar js jse jsp jspx lnk mht mhtml msi phar php php3 php4 " +
    "php5 php7 php8 phps pht phtml pif ps1 scr shtml svg svgz vbe vbs wsf wsh xht xhtml"
)

/** Names of devices on Windows, with or without an extension. */
const device = /^(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(?:\.|:|$)/i

/** Separators of every width, as one class; what compatibility folding turns into `/` or `\` is found after it. */
const separators =
  /[/\\\u2044\u2215\u2216\u244a\u27cb\u27cd\u2571\u2572\u29f5\u29f6\u29f8\u29f9\u2cc6\ufe68\uff0f\uff3c\u{1735c}\u{1d23a}]/u
const allSeparators = new RegExp(separators, "gu")

/** What some decoder on the way may still turn into a dot, a separator or an end of text. */
const encoded =
  /%(?:25)*(?:2e|2f|5c|00)|%c0%a[ef]|%c1%(?:1c|9c|af)|%e0%80%a[ef]|%u(?:002[ef]|005c|2215|2216)|&#x?0*(?:2e|2f|5c|46|47|92);/i
const allEncoded = new RegExp(encoded, "gi")

const hiddenClass = "[\\p{Cc}\\p{Cs}\\p{Co}\\p{Zl}\\p{Zp}\\p{Noncharacter_Code_Point}\\u2800\\ufff9-\\ufffd]|" +
  "[^\\P{Default_Ignorable_Code_Point}\\p{Join_Control}\\p{Variation_Selector}]"
const hidden = new RegExp(hiddenClass, "u")
const allHidden = new RegExp(hiddenClass, "gu")

/** Not their wide forms, which stand in names for the very reason that these may not. */
const forbidden = /[<>:"|?*]/
const allForbidden = /[<>:"|?*]/g

const twoDots = /\.\.|\u2025/

/** Joiners and variation selectors have their place in a name, but not in the way of a comparison. */
const ignorable = /[\p{Join_Control}\p{Variation_Selector}]/gu

/** Small letters of other scripts that look like Latin ones, each before the letter that it looks like; and dots that look like dots. */
const lookAlikes = new Map(
  Array.from(
    "аaеeоoрpсcхxуyіiјjѕsԁdһhԛqԝwвbмmтtнhкkԍgпnɡgıiɑaυuνvοoρpαaκkιiτtχxγyεeηnϲc".matchAll(/(.)(.)/gu),
    ([, foreign = "", latin = ""]) => [foreign, latin] as const
  )
)
const dots = /[\u0589\u06d4\u0701\u0702\u2024\u22c5\ua4f8\ua60e\ufe52\uff0e\uff61]/gu

/** As a careless reader or a lenient system takes it: one width, one kind of dot, no joiners, small letters. */
const folded = (name: string): string => name.replace(ignorable, "").replace(dots, ".").normalize("NFKC").toLowerCase()

const latinised = (extension: string): string => {
  let text = ""
  for (const letter of extension) text += lookAlikes.get(letter) ?? letter
  return text.trim()
}

/** The name's extensions in order, in the form that lists are written in. */
const extensionsOf = (form: string): ReadonlyArray<string> => form.split(".").slice(1).map(latinised)

const flawOfExtensions = (form: string, { allow, deny }: FilenamePolicy): string | undefined => {
  const all = extensionsOf(form)
  const last = all.at(-1) ?? ""
  if (executables.has(last) || deny?.has(last) === true) {
    return `has the extension .${last.slice(0, 20)}, which is not taken`
  }
  if (allow !== undefined && !allow.has(last)) {
    return `has an extension that is not taken; taken are ${[...allow].join(", ")}`
  }
  const disguise = all.slice(0, -1).find((extension) => disguises.has(extension))
  return disguise === undefined ? undefined : `has a second extension .${disguise.slice(0, 20)} before the last one`
}

const flawOfEdges = (form: string): string | undefined => {
  if (/^[.\-~\s]/u.test(form)) return "begins with a dot, a dash, a tilde or a blank"
  if (/[.\s]$/u.test(form)) return "ends with a dot or a blank"
  return device.test(form) ? "is the name of a device" : undefined
}

/**
 * Why a name is refused, as the end of a sentence such as `contains a path separator`; undefined = it may be taken as it is.
 * What looks like something dangerous is judged as that.
 */
export const flawOf = (name: string, policy: FilenamePolicy = {}): string | undefined => {
  if (name.length > maxBytes || Buffer.byteLength(name) > maxBytes) return `is longer than ${maxBytes} bytes`
  if (name.trim() === "") return "is empty"
  const form = folded(name)
  if (hidden.test(name)) return "contains a character that cannot be seen"
  if (separators.test(name) || separators.test(form)) return "contains a path separator"
  if (encoded.test(form)) return "contains an encoded dot, separator or end of text"
  if (forbidden.test(name)) return "contains one of < > : \" | ? *"
  const isDoubled = twoDots.test(name.replace(dots, "."))
  return flawOfEdges(form) ?? (isDoubled ? "contains two dots in a row" : flawOfExtensions(form, policy))
}

/** As many whole characters as fit; the extension stays where it is short. */
const cut = (name: string): string => {
  if (Buffer.byteLength(name) <= maxBytes) return name
  const dot = name.lastIndexOf(".")
  const tail = dot > 0 && Buffer.byteLength(name.slice(dot)) <= 32 ? name.slice(dot) : ""
  const room = maxBytes - Buffer.byteLength(tail)
  let head = ""
  let used = 0
  for (const letter of name.slice(0, name.length - tail.length)) {
    used += Buffer.byteLength(letter)
    if (used > room) break
    head += letter
  }
  return head.replace(/[.\s]+$/u, "") + tail
}

/** Only the last extension stays one; a dangerous last one becomes part of the stem of a text file. */
const disarm = (name: string, policy: FilenamePolicy): string => {
  const [stem = "", ...rest] = name.replace(dots, ".").split(".")
  const last = rest.at(-1)
  if (last === undefined) return name
  const inner = rest.slice(0, -1).map((part) => disguises.has(latinised(folded(part))) ? `_${part}` : `.${part}`).join(
    ""
  )
  const { allow, deny } = policy
  const extension = latinised(folded(last))
  const isRefused = executables.has(extension) || deny?.has(extension) === true ||
    (allow !== undefined && !allow.has(extension))
  return isRefused ? `${stem}${inner}_${last}` : `${stem}${inner}.${last}`
}

const withAllowed = (name: string, { allow }: FilenamePolicy): string => {
  const [first] = allow ?? []
  return first === undefined || allow?.has(extensionsOf(folded(name)).at(-1) ?? "") === true ? name : `${name}.${first}`
}

/**
 * A name made from this one that `flawOf` has nothing against, NFC, at most 255 bytes: the last part of a path, without what hides
 * or harms. The same for its own result; `file` where nothing is left.
 */
export const safe = (name: string, policy: FilenamePolicy = {}): string => {
  const given = name.slice(-mostRead).toWellFormed().normalize("NFC")
  if (flawOf(given, policy) === undefined) return given
  const bare =
    given.replace(dots, ".").replace(allEncoded, "/").replace(allSeparators, "/").split("/").findLast((part) =>
      /[^.\s]/u.test(part)
    ) ?? ""
  const clean = bare.replace(allHidden, "").replace(allForbidden, "").replace(/(?:\.|\u2025){2,}|\u2025/g, ".")
    .replace(/^[.\-~\s\p{Join_Control}\p{Variation_Selector}]+/u, "").replace(
      /[.\s\p{Join_Control}\p{Variation_Selector}]+$/u,
      ""
    )
  const named = device.test(folded(clean)) ? `_${clean}` : clean
  const result = cut(withAllowed(disarm(named, policy), policy)).normalize("NFC")
  if (flawOf(result, policy) === undefined) return result
  const [first] = policy.allow ?? []
  return first === undefined ? "file" : `file.${first}`
}
