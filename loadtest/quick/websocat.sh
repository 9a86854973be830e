#!/bin/sh
# A quick look by websocat: subscribe, publish, and see the event come back; then what was missed, after a position.
#   loadtest/quick/websocat.sh [ws://127.0.0.1:8080]
set -eu
gateway=${1:-ws://127.0.0.1:8080}
channel=quick:$(date +%s)

# Keeps the connection open for a moment after the last line, so that the answers come.
say() {
  { printf '%s\n' "$@"; sleep 1; } | websocat -t "$gateway/ws"
}

echo "> subscribe and publish in $channel"
answers=$(say "{\"type\":\"subscribe\",\"channel\":\"$channel\"}" \
  "{\"type\":\"publish\",\"channel\":\"$channel\",\"data\":{\"text\":\"hello\"},\"ref\":1}")
echo "$answers"
case $answers in *'"type":"event"'*) ;; *) echo 'The event did not come back' >&2; exit 1 ;; esac

echo '> come again, after the beginning'
answers=$(say "{\"type\":\"subscribe\",\"channel\":\"$channel\",\"after\":\"0-0\"}")
echo "$answers"
case $answers in *'"text":"hello"'*) ;; *) echo 'The replay did not come' >&2; exit 1 ;; esac
