import { PLACE_OPTIONS, type Words } from './words.ts';

/** Commands whose arguments are files, which fish then goes on to offer. */
const WITH_FILES = ['import', 'export', 'backup', 'restore'];

export function fish(all: readonly Words[]): string {
  const lines = all.flatMap(({ path, takesKeys, words }) => {
    const condition = conditionOf(path);
    const noFiles = WITH_FILES.includes(path) ? '' : ' -f';
    const each = words.map(({ about, word }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
      return `complete -c latchkey -n '${condition}'${noFiles} ${what} -d '${about}'`;
    });
    return takesKeys ? [...each, `complete -c latchkey -n '${condition}' -f -a '(__latchkey_keys)'`] : each;
  });
  const isPlace = PLACE_OPTIONS.map((option) => `'${option}'`).join(' ');
  return `function __latchkey_keys
  set -l tokens (commandline -opc)
  set -l place
  for index in (seq 2 (count $tokens))
    if contains -- $tokens[$index] ${isPlace}; and test $index -lt (count $tokens)
      set -a place $tokens[$index] $tokens[(math $index + 1)]
    else if string match -qr -- '^(${PLACE_OPTIONS.join('|')})=' $tokens[$index]
      set -a place $tokens[$index]
    end
  end
  $tokens[1] completion --keys=(commandline -ct) $place 2> /dev/null
end
${lines.join('\n')}
`;
}

function conditionOf(path: string): string {
  if (path === '') return '__fish_use_subcommand';
  return path
    .split(' ')
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join('; and ');
}
