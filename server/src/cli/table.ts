import { visible } from './output.ts';

export interface Column {
  readonly title: string;
  /** Right-aligned where figures stand under each other. */
  readonly isFigure?: boolean;
}

/** Lines with aligned columns; the last column takes what is left of `widthMax` and is cut with `…`. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { readonly widthMax?: number | undefined; readonly withTitles: boolean },
): string[] {
  const cells = rows.map((row) => row.map(visible));
  const all = options.withTitles ? [columns.map(({ title }) => title), ...cells] : cells;
  const widths = columns.map((_, index) => Math.max(0, ...all.map((row) => displayWidth(row[index] ?? ''))));
  return all.map((row) => {
    let line = '';
    columns.forEach((column, index) => {
      const text = row[index] ?? '';
      const isLast = index === columns.length - 1;
      if (isLast) line += cut(text, (options.widthMax ?? Number.POSITIVE_INFINITY) - displayWidth(line));
      else line += `${pad(text, widths[index] as number, column.isFigure === true)}  `;
    });
    return line.trimEnd();
  });
}

function pad(text: string, width: number, isFigure: boolean): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return isFigure ? space + text : text + space;
}

function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  const kept = [...text].slice(0, Math.max(1, width - 1));
  while (kept.length > 1 && displayWidth(kept.join('')) > width - 1) kept.pop();
  return `${kept.join('')}…`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Terminal columns, near enough: East Asian wide characters and emoji take two, combining marks none. */
function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += /\p{Mn}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}
