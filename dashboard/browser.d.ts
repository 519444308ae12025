// What browsers have and the compiler's library does not know yet, and the plots' library, which is served beside the page.

interface RawJson {
  readonly rawJSON: string;
}

interface JSON {
  /** Absent in browsers before 2023. */
  rawJSON?(text: string): RawJson;
  isRawJSON?(value: unknown): value is RawJson;
  parse(
    text: string,
    reviver: (name: string, value: unknown, context?: { readonly source?: string }) => unknown,
  ): unknown;
}

declare module '*uPlot.esm.js' {
  const UPlot: new (options: object, data: unknown, target: Element) => unknown;
  export default UPlot;
}
