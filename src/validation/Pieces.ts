/**
 * Bytes that come in pieces, put together as they come. Trap: in a list of its pieces a body that is sent byte by byte, which chunks
 * allow, takes some four hundred times its size.
 */
const empty = new Uint8Array(0)

export class Pieces {
  /** Bytes so far. */
  length = 0

  private bytes: Uint8Array = empty
  private isOwned = false

  /** The first piece is kept as it is, for most bodies are one; of all others a copy. */
  add(piece: Uint8Array): void {
    const length = this.length + piece.length
    if (this.length === 0) {
      this.bytes = piece
      this.isOwned = false
    } else {
      if (!this.isOwned || length > this.bytes.length) {
        const grown = Buffer.allocUnsafe(2 * length)
        grown.set(this.whole)
        this.bytes = grown
        this.isOwned = true
      }
      this.bytes.set(piece, this.length)
    }
    this.length = length
  }

  /** All of them as one, uncopied. */
  get whole(): Uint8Array {
    return this.bytes.length === this.length ? this.bytes : this.bytes.subarray(0, this.length)
  }
}
