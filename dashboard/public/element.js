/** Makes elements. What is shown goes in as text, never as markup: there is no other way in here. */

/**
 * @param {string} name
 * @param {{ class?: string, text?: string, on?: Record<string, (event: any) => void>, data?: Record<string, string>,
 *   [attribute: string]: unknown }} [parts] everything else is an attribute; `true` is the empty one, false and undefined none
 * @param {...(Node | string | undefined)} children
 * @returns {any} the element; its kind is the caller's to know
 */
export function el(name, parts = {}, ...children) {
  const made = document.createElement(name);
  const { class: className, data, on, text, ...attributes } = parts;
  if (className !== undefined) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [type, act] of Object.entries(on ?? {})) made.addEventListener(type, act);
  for (const [key, value] of Object.entries(data ?? {})) made.dataset[key] = value;
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    made.setAttribute(attribute, value === true ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** Only what differs is written: a status that is written anew is read out anew. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const SVG = 'http://www.w3.org/2000/svg';
const ICONS = {
  copy: 'M9 9h10v10H9zM5 15V5h10',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  pause: 'M9 6v12M15 6v12',
  play: 'M8 6l10 6-10 6z',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  first: 'M17 6l-6 6 6 6M7 6v12',
  external: 'M10 6H6v12h12v-4M13 5h6v6M19 5l-8 8',
  sun: 'M12 8a4 4 0 100 8 4 4 0 000-8M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M18.4 5.6L17 7M7 17l-1.4 1.4',
  moon: 'M19 14.5A7.5 7.5 0 119.5 5a6 6 0 009.500 9.500z',
  auto: 'M12 4a8 8 0 100 16zM12 4a8 8 0 010 16',
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}
