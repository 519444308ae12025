/** Arrow keys among alike elements, of which exactly one is reached by Tab. */

const PAGE = 15;

/**
 * @param {any} root @param {string} selector of the elements, in their order in the document
 * @returns {{ settle: () => void }} `settle` is called when elements came or went
 */
export function roveAmong(root, selector) {
  let last;
  root.addEventListener('focusin', (event) => {
    const target = event.target.closest(selector);
    if (target === null) return;
    last = target;
    settle();
  });
  root.addEventListener('keydown', (event) => {
    const at = event.target.closest?.(selector);
    if (at === null || at === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...root.querySelectorAll(selector)];
    const index = all.indexOf(at);
    const to = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      Home: 0,
      End: all.length - 1,
      PageDown: index + PAGE,
      PageUp: index - PAGE,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))]?.focus();
  });

  function settle() {
    const wanted = last?.isConnected === true && root.contains(last) ? last : root.querySelector(selector);
    for (const each of root.querySelectorAll(`${selector}[tabindex="0"]`)) if (each !== wanted) each.tabIndex = -1;
    if (wanted !== null) wanted.tabIndex = 0;
  }
  return { settle };
}
