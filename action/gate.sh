#!/usr/bin/env bash
# Audit a store once, hold the audit to the baseline, and write both where GitHub shows them. Outside of GitHub it
# prints. Exits as ragdiag does: 0 passed, 1 got worse, 2 cannot be used, 3 cannot be compared.
set -euo pipefail

store=${RAGDIAG_STORE:?the store to audit}
baseline=${RAGDIAG_BASELINE:-ragdiag-baseline.json}
audit=${RAGDIAG_AUDIT:-ragdiag-audit.json}
fail_on=${RAGDIAG_FAIL_ON:-error}
summary=${GITHUB_STEP_SUMMARY:-/dev/stdout}
outputs=${GITHUB_OUTPUT:-/dev/null}

options=()
while IFS= read -r line; do
  if [[ -n $line ]]; then options+=("$line"); fi
done <<< "${RAGDIAG_OPTIONS:-}"

code=0
# The plus keeps an empty array from being an unset one under bash 3, which macOS has.
ragdiag audit "$store" --format json --output "$audit" --fail-on "$fail_on" ${options[@]+"${options[@]}"} || code=$?
if ((code > 1)); then exit "$code"; fi
echo "audit=$audit" >> "$outputs"

if [[ ! -f $baseline ]]; then
  echo "No baseline $baseline: take $audit as the first one when you accept it." >> "$summary"
  exit "$code"
fi

code=0
report=$(ragdiag diff "$baseline" "$audit" --format markdown) || code=$?
if ((code > 1)); then
  echo "The baseline $baseline and the new audit could not be compared; the log says why." >> "$summary"
  exit "$code"
fi
printf '%s\n' "$report" >> "$summary"
if ((code == 1)); then echo "regression=true" >> "$outputs"; else echo "regression=false" >> "$outputs"; fi
if [[ $fail_on == never ]]; then exit 0; fi
exit "$code"
