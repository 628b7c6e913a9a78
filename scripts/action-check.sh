#!/usr/bin/env bash
# The second step of action.yml: rnnconv check with the action's inputs.
set -euo pipefail

arguments=("$INPUT_PATH" --format github)
[ -z "${INPUT_SHARD:-}" ] || arguments+=(--shard "$INPUT_SHARD")
[ -z "${INPUT_CHANGED_SINCE:-}" ] || arguments+=(--changed-since "$INPUT_CHANGED_SINCE")
[ -z "${INPUT_JOBS:-}" ] || arguments+=(--jobs "$INPUT_JOBS")
[ -z "${INPUT_JUNIT:-}" ] || arguments+=(--junit "$INPUT_JUNIT")
[ -z "${INPUT_SARIF:-}" ] || arguments+=(--sarif "$INPUT_SARIF")
for flag in power step-summary; do
  name=INPUT_$(tr 'a-z-' 'A-Z_' <<<"$flag")
  case "${!name:-false}" in
    true) arguments+=("--$flag") ;;
    false) ;;
    *)
      printf '::error::%s: give true or false, not %s\n' "$flag" "${!name}"
      exit 2
      ;;
  esac
done

code=0
"$RNNCONV" check "${arguments[@]}" || code=$?
printf 'exit-code=%s\n' "$code" >>"$GITHUB_OUTPUT"
exit "$code"
