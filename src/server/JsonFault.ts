/** Where a text stops being JSON. `JSON.parse` does not always say; this is asked only after it has refused. */

const token =
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.]))/uy
const space = /[ \t\r\n]*/y

type Wanted = "value" | "valueOrEnd" | "key" | "keyOrEnd" | "colon" | "commaOrEnd"

/** What may follow `mark`, or undefined if it may not stand here. `open` holds the brackets that are open. */
const afterMark = (mark: string, wanted: Wanted, open: Array<string>): Wanted | undefined => {
  const isValuePlace = wanted === "value" || wanted === "valueOrEnd"
  if ((mark === "{" || mark === "[") && isValuePlace) {
    open.push(mark)
    return mark === "{" ? "keyOrEnd" : "valueOrEnd"
  }
  if (mark === ":") return wanted === "colon" ? "value" : undefined
  if (mark === ",") {
    return wanted !== "commaOrEnd" || open.length === 0
      ? undefined
      : open.at(-1) === "{"
      ? "key"
      : "value"
  }
  const isEnd = mark === "}"
    ? open.at(-1) === "{" && (wanted === "keyOrEnd" || wanted === "commaOrEnd")
    : open.at(-1) === "[" && (wanted === "valueOrEnd" || wanted === "commaOrEnd")
  if (!isEnd) return undefined
  open.pop()
  return "commaOrEnd"
}

/** Characters of text that are searched; a longer one is not worth the time. */
const mostSearched = 256 * 1024

/** Offset of the first character that cannot stand where it stands; the text's length if it only ends too early, undefined if it is very long. */
export const findFault = (text: string): number | undefined => {
  if (text.length > mostSearched) return undefined
  const open: Array<string> = []
  let wanted: Wanted | undefined = "value"
  let at = 0
  while (at < text.length) {
    space.lastIndex = at
    space.test(text)
    const start = space.lastIndex
    token.lastIndex = at
    const found = token.exec(text)
    if (found === null) return start
    const [, mark, string] = found
    if (mark !== undefined) wanted = afterMark(mark, wanted, open)
    else if (wanted === "value" || wanted === "valueOrEnd") wanted = "commaOrEnd"
    else wanted = string !== undefined && (wanted === "key" || wanted === "keyOrEnd") ? "colon" : undefined
    if (wanted === undefined) return start
    at = token.lastIndex
  }
  return text.length
}
