/**
 * What a watch wants: the union of exact keys, prefixes and Redis globs (`*`, `?`, `[abc]`, `[a-z]`, `[^a]`, `\` escapes).
 * A filter without any term means every key.
 */
export interface Filter {
  readonly keys?: readonly string[];
  readonly prefixes?: readonly string[];
  readonly patterns?: readonly string[];
}
