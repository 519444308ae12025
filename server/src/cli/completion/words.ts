/** What may stand behind the words of a command. */
export interface Words {
  /** `''` for the program itself, else the command's words, e.g. `dead-letters list`. */
  readonly path: string;
  readonly words: readonly Word[];
  /** Whether its arguments are keys of the server. */
  readonly takesKeys: boolean;
}

export interface Word {
  readonly word: string;
  readonly about: string;
}

/** Options whose value says where the keys are. */
export const PLACE_OPTIONS = ['--server', '--server-address', '--token'] as const;
