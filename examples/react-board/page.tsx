import { LatchkeyClient } from '@latchkey/client';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Board } from './board.tsx';
import { MirrorsContext } from './hooks.ts';
import { Mirrors } from './mirrors.ts';

const client = new LatchkeyClient({ server: location.origin });
const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element with the id root.');
createRoot(root).render(
  <StrictMode>
    <MirrorsContext value={new Mirrors(client)}>
      <Board client={client} />
    </MirrorsContext>
  </StrictMode>,
);
