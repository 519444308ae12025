/**
 * JSON text with line feeds and `indent` blanks a level, as Go's `json.Indent` writes it. Works on the text, so that numbers and
 * the order of names stay as they were sent. The input must be valid JSON.
 */
export function indentJson(text: string, indent: number): string {
  const out: string[] = [];
  let depth = 0;
  let before = '';
  const feed = () => `\n${' '.repeat(indent * depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    if (token === '}' || token === ']') {
      depth -= 1;
      if (before !== '{' && before !== '[') out.push(feed());
    } else if (before === '{' || before === '[') out.push(feed());
    if (token === '{' || token === '[') depth += 1;
    out.push(token);
    if (token === ',') out.push(feed());
    if (token === ':') out.push(' ');
    before = token;
  }
  return out.join('');
}
