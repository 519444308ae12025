import { PLACE_OPTIONS, type Words } from './words.ts';

/**
 * Bash breaks words at `:`, which stands in many keys: the word is taken from the line itself, and what bash has set already is
 * cut off the answers.
 */
export function bash(all: readonly Words[]): string {
  const cases = all.map(({ path, words }) => `    '${path}') words='${words.map(({ word }) => word).join(' ')}' ;;`);
  const paths = all.map(({ path }) => `'${path}'`).join('|');
  const withKeys = all.filter(({ takesKeys }) => takesKeys).map(({ path }) => `'${path}'`);
  return `_latchkey() {
  local path='' word words='' index line current key place=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "\${path:+$path }$word" in ${paths}) path="\${path:+$path }$word" ;; esac
  done
  current="\${COMP_WORDS[COMP_CWORD]}"
  if [[ -n $COMP_LINE ]]; then
    line="\${COMP_LINE:0:COMP_POINT}"
    current="\${line##*[[:space:]]}"
  fi
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$path" in
    ${withKeys.join('|')}) [[ $current == -* ]] && return ;;
    *) return ;;
  esac
  read -ra line <<< "$COMP_LINE"
  for ((index = 1; index < \${#line[@]}; index++)); do
    case "\${line[index]}" in
      ${PLACE_OPTIONS.join('|')}) place+=("\${line[index]}" "\${line[index + 1]}") ;;
      ${PLACE_OPTIONS.map((option) => `${option}=*`).join('|')}) place+=("\${line[index]}") ;;
    esac
  done
  COMPREPLY=()
  while IFS= read -r key; do
    key="$(printf '%q' "$key")"
    [[ $COMP_WORDBREAKS == *:* && $current == *:* ]] && key="\${key#"\${current%"\${current##*:}"}"}"
    COMPREPLY+=("$key")
  done < <("\${COMP_WORDS[0]}" completion --keys="$current" "\${place[@]}" 2> /dev/null)
}
complete -o default -F _latchkey latchkey
`;
}
