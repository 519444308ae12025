import type { Change } from '../shared/change.ts';
import type { ReportFault } from '../shared/logger.ts';

/** Who is told of what became durable. A listener that throws is reported: the step is durable whatever a reader makes of it. */
export class Announcements {
  readonly #changed = new Set<(changes: readonly Change[]) => void>();
  readonly #skipped = new Set<() => void>();
  readonly #reportFault: ReportFault;

  constructor(reportFault: ReportFault) {
    this.#reportFault = reportFault;
  }

  onDurable(listener: (changes: readonly Change[]) => void): () => void {
    this.#changed.add(listener);
    return () => this.#changed.delete(listener);
  }

  onSkipped(listener: () => void): () => void {
    this.#skipped.add(listener);
    return () => this.#skipped.delete(listener);
  }

  tell(changes: readonly Change[]): void {
    for (const listener of this.#changed) this.#guarded(() => listener(changes));
  }

  tellSkipped(): void {
    for (const listener of this.#skipped) this.#guarded(listener);
  }

  #guarded(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#reportFault('view', error);
    }
  }
}
