#!/bin/sh
# A quick look at the HTTP API: publishes by wrk, and by ab where a proxy is given.
#   loadtest/quick/http.sh [http://127.0.0.1:8080 [http://proxy]]
# ab speaks HTTP/1.0 only, which the gateway answers with 505; nginx in front (infra/nginx) makes it 1.1, so ab is pointed at that.
# For a look only: all of it shares one machine and tells wall time. `npm run bench` measures CPU time beside yardsticks.
set -eu
gateway=${1:-http://127.0.0.1:8080}
proxy=${2:-}
folder=$(dirname "$0")
body=$(mktemp)
trap 'rm -f "$body"' EXIT
printf '{"channel":"quick:http","data":"%0100d"}' 0 >"$body"

# -l: answers may differ in length. Anything but success fails the look.
by_ab() {
  told=$(ab -q -l -k -n 5000 -c 16 "$@")
  echo "$told" | grep -E '^(Requests per second|Failed requests|Non-2xx|  (50|99)%)'
  case $told in *'Non-2xx'*) return 1 ;; esac
}

if [ -n "$proxy" ]; then
  echo '> ab: GET /api/history'
  by_ab "$proxy/api/history?channel=quick:http&limit=1"
  echo '> ab: POST /api/publish'
  by_ab -p "$body" -T application/json "$proxy/api/publish"
fi

echo '> wrk: POST /api/publish'
told=$(wrk -t1 -c16 -d3s --latency -s "$folder/publish.lua" "$gateway/api/publish" "$body")
echo "$told"
case $told in *' 0 of them errors'*) ;; *) exit 1 ;; esac
