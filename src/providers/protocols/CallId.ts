/** placeholder */
export const read = (id: string, _family: string): { id: string; signature: string | undefined } => {
  const [own = "", signature] = id.split("__thought__")
  return { id: own, signature }
}
export const write = (id: string, signature: string | undefined): string => signature === undefined ? id : `${id}__thought__${signature}`
