import { formatVersion, LatchkeyError } from '@latchkey/client';
import type { Outcome, Refusal } from '../commands/command.ts';
import type { Change } from '../shared/change.ts';
import { entryJson } from '../shared/encode-change.ts';
import type { View } from '../view/view.ts';

/** An outcome as `POST /v1/commands` and WebSocket frames carry it: one JSON object without line breaks. */
export function outcomeJson(outcome: Outcome, view: View): string {
  switch (outcome.outcome) {
    case 'applied':
    case 'duplicate':
    case 'late': {
      let text = `{"outcome":"${outcome.outcome}"`;
      if (outcome.version !== undefined) text += `,"version":"${formatVersion(outcome.version, view.partitions)}"`;
      if ('previous' in outcome && outcome.previous !== undefined)
        text += `,"previous":${entryText(outcome.previous, view)}`;
      if ('removed' in outcome) text += `,"removed":${outcome.removed},${keysText(outcome)}`;
      return `${text}}`;
    }
    case 'conflict':
      return `{"outcome":"conflict","entry":${entryText(outcome.entry, view)}}`;
    case 'value':
      if ('keys' in outcome) return `{"outcome":"value",${keysText(outcome)}}`;
      return `{"outcome":"value","entry":${entryText(outcome.entry, view)}}`;
    case 'refused': {
      const { code, field, limit, message } = outcome;
      return JSON.stringify({ outcome: 'refused', code, message, field, limit });
    }
  }
}

/** The entry as clients see it, `null` where there is none. */
export function entryText(entry: Change | null | undefined, view: View): string {
  return entry === null || entry === undefined ? 'null' : entryJson(entry, view.epochs, view.nowMicros());
}

/** A refusal of the only command of a request is that request's error. */
export function refusalError(refusal: Refusal): LatchkeyError {
  const { code, field, limit, message } = refusal;
  return new LatchkeyError(code, message, {
    ...(field === undefined ? {} : { field }),
    ...(limit === undefined ? {} : { limit }),
  });
}

function keysText(outcome: { readonly keys: readonly string[]; readonly truncated: boolean }): string {
  return `"keys":${JSON.stringify(outcome.keys)},"truncated":${outcome.truncated}`;
}
