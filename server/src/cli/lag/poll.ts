/** Asks for the value again and again; of what changed in between only the last is seen. */
import type { PathAdapter } from './path.ts';
import { openStore } from './store.ts';

export const observePoll: PathAdapter = async (place, { everyMs, hear, key, onTrouble }) => {
  const store = await openStore(place, onTrouble);
  let last = await store.read(key);
  let isOpen = true;
  let timer: NodeJS.Timeout | undefined;
  const ask = async () => {
    try {
      const text = await store.read(key);
      if (text !== undefined && text !== last) hear(text);
      last = text;
    } catch (error) {
      onTrouble(error);
    }
    if (isOpen) timer = setTimeout(() => void ask(), everyMs);
  };
  timer = setTimeout(() => void ask(), everyMs);
  return {
    async close() {
      isOpen = false;
      clearTimeout(timer);
      await store.close();
    },
  };
};
