import { type Entry, type LatchkeyClient, LatchkeyError, type Written } from '@latchkey/client';
import { type FormEvent, useState } from 'react';

export interface TargetFormProps {
  readonly entry: Entry<number>;
  readonly client: LatchkeyClient;
  readonly isLive: boolean;
}

/** Writes one value, under the condition that it is still the one that was seen, and shows what became of that. */
export function TargetForm({ entry, client, isLive }: TargetFormProps) {
  const [draft, setDraft] = useState<string>();
  const [seen, setSeen] = useState(entry.version);
  const [said, setSaid] = useState('');
  const [isSending, setIsSending] = useState(false);
  const value = draft ?? String(entry.value ?? '');

  async function send(): Promise<void> {
    setIsSending(true);
    try {
      // With an idempotency key it is sent until it is answered, and written once.
      const conditions = { ifVersion: seen, idempotencyKey: crypto.randomUUID() };
      setSaid(about(await client.put(entry.key, Number(value), conditions)));
      setDraft(undefined);
    } catch (error) {
      if (!(error instanceof LatchkeyError)) throw error;
      setSaid(`${error.code}: ${error.message}`);
    } finally {
      setIsSending(false);
    }
  }

  function submit(event: FormEvent): void {
    event.preventDefault();
    void send();
  }

  function edit(text: string): void {
    if (draft === undefined) setSeen(entry.version);
    setDraft(text);
  }

  return (
    <form onSubmit={submit}>
      <label>
        target
        <input
          type="number"
          step="0.5"
          min="5"
          max="30"
          required
          value={value}
          disabled={!isLive || isSending}
          onChange={(event) => edit(event.target.value)}
        />
      </label>
      {draft !== undefined && (
        <button type="submit" disabled={!isLive || isSending}>
          Set
        </button>
      )}
      <output>{said}</output>
    </form>
  );
}

function about(written: Written): string {
  if (written.outcome === 'conflict') return `conflict: it is ${JSON.stringify(written.entry?.value ?? null)} by now`;
  return written.outcome;
}
