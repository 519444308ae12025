import { PLACE_OPTIONS, type Words } from './words.ts';

export function zsh(all: readonly Words[]): string {
  const cases = all.map(({ path, words }) => {
    const described = words.map(({ about, word }) => `'${word}:${about}'`).join(' ');
    return `    '${path}') choices=(${described}) ;;`;
  });
  const paths = all.map(({ path }) => `'${path}'`).join('|');
  const withKeys = all.filter(({ takesKeys }) => takesKeys).map(({ path }) => `'${path}'`);
  return `#compdef latchkey
_latchkey() {
  local at='' word index
  local -a choices place keys
  for ((index = 2; index < CURRENT; index++)); do
    word="\${words[index]}"
    case "\${at:+$at }$word" in ${paths}) at="\${at:+$at }$word" ;; esac
    case "$word" in
      ${PLACE_OPTIONS.join('|')}) place+=("$word" "\${(Q)words[index + 1]}") ;;
      ${PLACE_OPTIONS.map((option) => `${option}=*`).join('|')}) place+=("\${(Q)word}") ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  case "$at" in
    ${withKeys.join('|')})
      if [[ \${words[CURRENT]} != -* ]]; then
        keys=("\${(@f)$("\${words[1]}" completion --keys="\${(Q)PREFIX}" "\${place[@]}" 2> /dev/null)}")
        compadd -- \${keys:#}
        return
      fi ;;
  esac
  _describe latchkey choices || _files
}
if [[ \${zsh_eval_context[-1]} == loadautofunc ]]; then
  _latchkey "$@"
else
  compdef _latchkey latchkey
fi
`;
}
