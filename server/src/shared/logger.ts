/** What the stages write to; `main.ts` makes it from pino. Never hand it a value, a token or a body: only names, codes and counts. */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLogger };

/** Where a promise that nobody awaits hands its error. `stage` is a folder of `server/src`. */
export type ReportFault = (stage: string, error: unknown) => void;

export function faultReporter(logger: Logger): ReportFault {
  return (stage, error) => {
    logger.error({ stage, err: error }, `${stage}: ${error instanceof Error ? error.message : String(error)}`);
  };
}
