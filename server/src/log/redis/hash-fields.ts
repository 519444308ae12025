import type { Change } from '../../shared/change.ts';
import { flatFields } from '../../shared/flat-object.ts';

/** The fields that a change kept as a hash has at its key; none where its value is no flat object. */
export function fieldsOfChange({ value }: Change): ReadonlyMap<string, string> {
  return (value?.kind === 'json' ? flatFields(value.data) : undefined) ?? new Map();
}
