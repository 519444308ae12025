/** The one place where this program reads its environment; everything else is handed it. */
export type Environment = Readonly<Record<string, string | undefined>>;

export const processEnvironment: Environment = process.env;

/** An empty variable is an unset one: that is how compose files and CI systems leave things out. */
export function variable(environment: Environment, name: string): string | undefined {
  const text = environment[name];
  return text === undefined || text.trim() === '' ? undefined : text;
}
