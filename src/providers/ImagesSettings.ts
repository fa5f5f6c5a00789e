/** What an operator says about images of callers. Apart from `Images.ts`, which loads a client, for whoever only reads the file. */

export interface ImagesSettings {
  /** True fetches http(s) URLs for upstreams that take bytes only. Default false: such a request is refused with 400. */
  readonly fetch: boolean
  /** Hosts that an image's URL may name, exact or as `*.suffix`; none = every public one. Rules for what is passed on too. */
  readonly hosts: ReadonlyArray<string>
  /** Bytes of one image for such an upstream, fetched or in the request. Default 20 MiB. */
  readonly maxSize: number
}

export const defaultImagesSettings: ImagesSettings = { fetch: false, hosts: [], maxSize: 20 * 1024 ** 2 }
