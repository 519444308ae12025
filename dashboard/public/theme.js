// Runs before the first paint, as a script of its own: a module would come after it, and the page would flash in the other theme.
(() => {
  try {
    const theme = localStorage.getItem('latchkey.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden: then it is the system's choice.
  }
})();
