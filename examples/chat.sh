#!/bin/sh
# curl against a gateway: `relaygen serve`, then `sh examples/chat.sh "What is 17 * 23?"`.
set -eu
question=$(printf '%s' "${1:-What is 17 * 23?}" | sed 's/\\/\\\\/g; s/"/\\"/g')

curl --no-buffer --silent --show-error "${RELAYGEN_URL:-http://127.0.0.1:8000/v1}/chat/completions" \
  --header "authorization: Bearer ${RELAYGEN_KEY:-none}" \
  --header 'content-type: application/json' \
  --data "{\"model\": \"relay\", \"stream\": true, \"stream_options\": {\"include_usage\": true},
           \"messages\": [{\"role\": \"user\", \"content\": \"$question\"}]}"
