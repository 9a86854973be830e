#!/bin/sh
# How gateways do, in a terminal: one line for each, drawn anew every two seconds. Needs curl and awk, and nothing else.
#
#   infra/monitor.sh                                                  http://127.0.0.1:8080
#   infra/monitor.sh http://127.0.0.1:8081 http://127.0.0.1:8082      these
#   infra/monitor.sh --once http://127.0.0.1:8081                     one look, over one second, then the end: 0 where all answer and are ready, else 1
#   infra/monitor.sh --interval 10                                    every ten seconds
#
# What is further handed to curl (a CA, a proxy) goes into CURL_OPTIONS. Ask the gateways themselves: through a proxy each answer would be another one's.
set -eu

once=no
interval=2
while [ $# -gt 0 ]; do
  case $1 in
    --once) once=yes interval=1 ;;
    --interval)
      shift
      interval=${1:-}
      case $interval in '' | *[!0-9]* | 0) echo "--interval takes a number of seconds" >&2; exit 2 ;; esac
      ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "Unknown option $1; --help lists them" >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || set -- http://127.0.0.1:8080

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM HUP

# Asks every gateway, at once. What one answers goes to $folder/N.now, what it answered before to $folder/N.before.
look() {
  number=0
  for url; do
    number=$((number + 1))
    if [ -f "$folder/$number.now" ]; then mv "$folder/$number.now" "$folder/$number.before"; fi
    # CURL_OPTIONS are several words. Whatever else listens there is no gateway.
    # shellcheck disable=SC2086
    { curl --silent --fail --max-time 2 ${CURL_OPTIONS:-} "${url%/}/metrics" >"$folder/$number.part" && grep -q '^passerelle_ready' "$folder/$number.part" &&
      date +%s.%N >>"$folder/$number.part" && mv "$folder/$number.part" "$folder/$number.now"; } 2>/dev/null &
  done
  wait
}

show() {
  printf '%-18s %5s %8s %8s %9s %9s %9s %10s %9s %8s %6s %8s %6s\n' \
    gateway ready sockets streams opened/s closed/s publish/s deliver/s p99 lag cpu memory gaps
  number=0
  for url; do
    number=$((number + 1))
    if [ ! -f "$folder/$number.now" ]; then
      printf '%-18s %5s\n' "$(printf %s "${url#*://}" | cut -c1-18)" away
      continue
    fi
    [ -f "$folder/$number.before" ] || cp "$folder/$number.now" "$folder/$number.before"
    awk '
      FNR == 1 { file++ }
      # The time of day is all that stands alone; where `date` knows no %N it is in whole seconds.
      NF == 1 { at[file] = $1 + 0; next }
      /^#/ { next }
      {
        name = $1; sub(/[{].*/, "", name)
        sum[file, name] += $NF
        if ($1 ~ /transport="websocket"/) sockets[file, name] += $NF
        if ($1 ~ /transport="sse"/) streams[file, name] += $NF
        # WORKERS are several gateways behind one port, which tell of themselves in any order.
        if (file == 2 && name == "passerelle_ready" && match($1, /gateway="[^"]*"/)) {
          each = substr($1, RSTART + 9, RLENGTH - 10)
          if (workers++ == 0 || each < gateway) gateway = each
        }
        if (file == 2 && name == "nodejs_eventloop_lag_p99_seconds" && $NF > lag) lag = $NF
        if (name == "passerelle_delivery_duration_seconds_bucket" && match($1, /le="[^"]*"/)) {
          bound = substr($1, RSTART + 4, RLENGTH - 5)
          if (!(bound in known)) { known[bound]; bounds[++count] = bound }
          bucket[file, bound] += $NF
        }
      }
      function rate(name) { return seconds > 0 ? (sum[2, name] - sum[1, name]) / seconds : 0 }
      function number(value) { return value >= 1000000 ? sprintf("%.1fM", value / 1000000) : value >= 10000 ? sprintf("%.1fk", value / 1000) : sprintf(value > 0 && value < 10 ? "%.1f" : "%.0f", value) }
      function time(value) { return value < 1 ? sprintf("%.0fms", value * 1000) : sprintf("%.1fs", value) }
      END {
        seconds = at[2] - at[1]
        if (sum[2, "process_start_time_seconds"] != sum[1, "process_start_time_seconds"]) seconds = 0 # another process than before
        total = bucket[2, "+Inf"] - bucket[1, "+Inf"]
        late = "-"
        for (i = 1; i <= count && total > 0; i++) if (bucket[2, bounds[i]] - bucket[1, bounds[i]] >= 0.99 * total) {
          late = bounds[i] == "+Inf" ? ">" time(bounds[i - 1]) : "<" time(bounds[i]); break
        }
        c = "passerelle_connections"
        if (workers > 1) gateway = gateway " +" workers - 1
        # Of a long name the end: pods differ in it.
        if (length(gateway) > 18) gateway = substr(gateway, length(gateway) - 17)
        printf "%-18s %5s %8d %8d %9s %9s %9s %10s %9s %8s %5.0f%% %8s %6d\n", gateway, sum[2, "passerelle_ready"] == workers ? "yes" : "NO",
          sockets[2, c], streams[2, c], number(rate(c "_opened_total")), number(rate(c "_closed_total")),
          number(rate("passerelle_events_published_total")), number(rate("passerelle_events_delivered_total")), late,
          time(lag), 100 * rate("process_cpu_seconds_total"),
          sprintf("%.0fMB", sum[2, "process_resident_memory_bytes"] / 1048576), sum[2, "passerelle_gaps_total"]
      }' "$folder/$number.before" "$folder/$number.now"
  done
}

all_ready() {
  number=0
  for url; do
    number=$((number + 1))
    [ -f "$folder/$number.now" ] && ! grep -q '^passerelle_ready{[^}]*} 0$' "$folder/$number.now" || return 1
  done
}

look "$@"
sleep "$interval"
if [ "$once" = yes ]; then
  look "$@"
  show "$@"
  all_ready "$@"
  exit
fi
while :; do
  look "$@"
  table=$(show "$@")
  # On a terminal in the same place, else line below line.
  if [ -t 1 ]; then printf '\033[H\033[2J'; fi
  date
  printf '%s\n' "$table"
  sleep "$interval"
done
