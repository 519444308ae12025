/** Asks before something is done that can't be undone. */
import { el } from '../element.js';

/**
 * @param {{ title: string, text: string, action: string, isDangerous?: boolean }} question
 * @returns {Promise<boolean>} whether it is meant
 */
export function confirmed({ action, isDangerous = false, text, title }) {
  const { promise, resolve } = Promise.withResolvers();
  const close = (answer) => {
    dialog.close(answer);
  };
  const dialog = el(
    'dialog',
    { class: 'dialog', 'aria-labelledby': 'confirm-title', 'aria-describedby': 'confirm-text' },
    el('h2', { id: 'confirm-title', text: title }),
    el('p', { id: 'confirm-text', text }),
    el(
      'div',
      { class: 'actions' },
      el('button', { class: 'button', type: 'button', text: 'Cancel', on: { click: () => close('no') } }),
      el('button', {
        class: `button ${isDangerous ? 'danger' : 'primary'}`,
        type: 'button',
        text: action,
        on: { click: () => close('yes') },
      }),
    ),
  );
  dialog.addEventListener('close', () => {
    dialog.remove();
    resolve(dialog.returnValue === 'yes');
  });
  document.body.append(dialog);
  dialog.showModal();
  return promise;
}
