/** Of the standard, and not yet of TypeScript's library. */
interface RawJson {
  rawJSON(text: string): object;
}

/** Numbers whose text `JSON.stringify` would change, kept as they were sent: 1.0, and those beyond 2⁵³. */
export function keepExactNumber(_name: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && String(value) !== source
    ? (JSON as unknown as RawJson).rawJSON(source)
    : value;
}
