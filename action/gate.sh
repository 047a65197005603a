#!/usr/bin/env bash
# Audit a store once, hold the audit to the baseline, and write both where GitHub shows them. Outside of GitHub it
# prints. Exits as ragdiag does: 0 passed, 1 got worse, 2 cannot be used, 3 cannot be compared.
set -euo pipefail

store=${RAGDIAG_STORE:-}
baseline=${RAGDIAG_BASELINE:-ragdiag-baseline.json}
audit=${RAGDIAG_AUDIT:-ragdiag-audit.json}
fail_on=${RAGDIAG_FAIL_ON:-error}
summary=${GITHUB_STEP_SUMMARY:-/dev/stdout}
outputs=${GITHUB_OUTPUT:-/dev/null}

refuse() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}
# The name of a file that need not be there yet, in one way.
place() {
  printf '%s/%s' "$(cd -- "$(dirname -- "$1")" 2> /dev/null && pwd -P)" "$(basename -- "$1")"
}
if [[ -z $store ]]; then refuse "RAGDIAG_STORE says which store to audit, and is empty"; fi
if [[ $audit == - || $audit == *[$'\r\n']* ]]; then refuse "audit is no name of a file"; fi
if [[ -d $baseline ]]; then refuse "baseline is a folder: give a file"; fi
# The new audit would replace the baseline before it is read, and be compared with itself for ever after.
if [[ $(place "$baseline") == "$(place "$audit")" || $baseline -ef $audit ]]; then
  refuse "baseline and audit are one file: give two"
fi

# What a store says about itself stands in the log, where GitHub would obey ::error:: and ##[add-mask] in it.
if [[ -n ${GITHUB_ACTIONS:-} ]]; then
  token=ragdiag-$RANDOM$RANDOM$RANDOM$RANDOM
  echo "::stop-commands::$token"
  trap 'echo "::$token::"' EXIT
fi

options=()
while IFS= read -r line; do
  line=${line%$'\r'}
  if [[ -n $line ]]; then options+=("$line"); fi
done <<< "${RAGDIAG_OPTIONS:-}"

code=0
# The plus keeps an empty array from being an unset one under bash 3, which macOS has.
# Of an option that is given twice the last counts: what is compared is what was written.
ragdiag audit ${options[@]+"${options[@]}"} --format json --output "$audit" --fail-on "$fail_on" -- "$store" || code=$?
if ((code > 1)); then exit "$code"; fi
echo "audit=$audit" >> "$outputs"

if [[ ! -f $baseline ]]; then
  echo "No baseline $baseline: take $audit as the first one when you accept it." >> "$summary"
  exit "$code"
fi

code=0
report=$(ragdiag diff --format markdown -- "$baseline" "$audit") || code=$?
if ((code > 1)); then
  echo "The baseline $baseline and the new audit could not be compared; the log says why." >> "$summary"
  exit "$code"
fi
printf '%s\n' "$report" >> "$summary"
if ((code == 1)); then echo "regression=true" >> "$outputs"; else echo "regression=false" >> "$outputs"; fi
if [[ $fail_on == never ]]; then exit 0; fi
exit "$code"
