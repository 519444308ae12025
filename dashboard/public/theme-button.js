/** The choice of light, dark, or what the system says; remembered. `theme.js` applies it at the next start. */
import { el, setText } from './element.js';

const THEMES = /** @type {const} */ ({
  auto: { icon: 'auto', label: 'Theme: as the system' },
  light: { icon: 'sun', label: 'Theme: light' },
  dark: { icon: 'moon', label: 'Theme: dark' },
});
const ORDER = /** @type {(keyof typeof THEMES)[]} */ (Object.keys(THEMES));
const STORED = 'latchkey.theme';

/** @param {(name: any) => Node} icon @param {() => void} onChange */
export function themeButton(icon, onChange) {
  const label = el('span', { class: 'hidden' });
  const button = el('button', {
    class: 'button icon-only',
    id: 'theme',
    type: 'button',
    on: { click: () => choose(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length]) },
  });
  const draw = () => {
    const { icon: name, label: text } = THEMES[current()];
    setText(label, text);
    button.title = text;
    button.replaceChildren(icon(name), label);
  };
  const choose = (theme) => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === 'auto') localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, theme);
    } catch {
      // Storage may be forbidden: then the choice lasts as long as the page.
    }
    draw();
    onChange();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
  draw();
  return button;
}

function current() {
  const { theme } = document.documentElement.dataset;
  return theme === 'light' || theme === 'dark' ? theme : 'auto';
}
