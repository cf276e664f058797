#!/usr/bin/env bash
# relayd-exporter: metrics that promtool and Prometheus take, counters that follow the media, who is
# let in, what it can still do, and a relayd that hangs, dies and comes back. The dashboard's questions and
# the alerting rules ask for what there is.
#
#   sender --- net --- nat --- client
#               |
#             relay (relayd, relayd-exporter, curl, prometheus)
. "$(dirname "$0")/lib.sh"
plan 49

EXPORTER=${EXPORTER:-$BUILD/exporter/relayd-exporter}
URL=http://127.0.0.1:9478
ALERTS=$TOP/contrib/alerts.yml

get() { # PATH [CURL-WORD...]: the body
	in_ns relay curl -s --max-time 10 --noproxy '*' "${@:2}" "$URL$1"
}

status() { # PATH [CURL-WORD...]
	get "$1" -o "$T/body" -D "$T/headers" -w '%{http_code}' "${@:2}"
}

exporter_start() { # [OPTION...]
	start relay exporter "$EXPORTER" --socket "$T/relayd/relayd.sock" "$@"
	wait_for 5 status /login
}

is_up() { # 1|0
	get /metrics | grep -qx "relayd_up $1"
}

exported() { # SERIES: its value
	get /metrics | awk -v name="$1" '$1 == name { print $2 }'
}

at_least() { # SERIES NUMBER
	[ "$(exported "$1")" -ge "$2" ]
}

state() { # EXPRESSION over d; s is the stream cam1
	get /api/state >"$T/state.json" &&
		json "$T/state.json" "(lambda s: $1)(next(s for s in d['streams'] if s['name'] == 'cam1'))"
}

state_is() { # EXPRESSION VALUE
	[ "$(state "$1")" = "$2" ]
}

seen_in_history() {
	get '/api/history?stream=cam1' >"$T/history.json" &&
		json "$T/history.json" 'sum(n or 0 for n in d["packets"])' | grep -qvx 0
}

scraped() { # NAME: Prometheus has this value of the relay
	in_ns relay promtool query instant http://127.0.0.1:9090 "$1" | grep -q '=> [1-9]'
}

# The dashboard's questions as rules, for promtool to read.
dashboard_rules() {
	"$PYTHON" - "$TOP/contrib/grafana.json" <<-'PY'
		import json, sys
		panels = json.load(open(sys.argv[1]))["panels"]
		exprs = [t["expr"].replace("$__rate_interval", "1m") for p in panels for t in p["targets"]]
		print(json.dumps({"groups": [{"name": "dashboard", "rules": [
		    {"record": "panel%d" % i, "expr": e} for i, e in enumerate(exprs)]}]}))
	PY
}

# Names in a file that no sample has.
strangers() { # FILE
	grep -oE '\brelayd_[a-z_]+' "$1" | sort -u |
		grep -vxFf <(sed -nE 's/^(relayd_[a-z_]+).*/\1/p' "$T/plain")
}

# Labels with values that no sample has.
chosen_strangers() { # FILE
	local series name label value
	grep -oE 'relayd_[a-z_]+\{[a-z]+=~?"[^"]*"' "$1" | while IFS='{=' read -r name label value; do
		for value in $(tr -d '~"' <<<"$value" | tr '|' ' '); do
			series="$name{$label=\"$value\"}"
			grep -qF "$series " "$T/plain" || echo "$series"
		done
	done
}

untested_alerts() {
	sed -n 's/.*- alert: //p' "$ALERTS" | while read -r name; do
		grep -q "alertname=\"$name\"" "$TOP/tests/data/alerts_test.yml" || echo "$name"
	done
}

filtered() { # PID: its Seccomp and capabilities
	local status=/proc/$1/status
	contains "$status" '^Seccomp:.2$' && contains "$status" '^CapEff:.0+$' &&
		contains "$status" '^CapPrm:.0+$' && contains "$status" '^NoNewPrivs:.1$'
}

keeper() { # the process that reads the token file
	local pid
	pid=$(pid_of exporter)
	xargs <"/proc/$pid/task/$pid/children"
}

opens_with() { # TOKEN
	[ "$(status /metrics -H "Authorization: Bearer $1")" = 200 ]
}

# Connections that never come to an end with their question, twice as many as there are places. One
# of before, on which the token was shown, is asked again between them.
cat >"$T/crowd.py" <<'PY'
import http.client, itertools, socket, sys, time
known = http.client.HTTPConnection(sys.argv[1], 9478)
def ask():
    known.request("GET", "/api/state", headers={"Authorization": "Bearer correct-horse-battery"})
    answer = known.getresponse()
    answer.read()
    return answer.status
ask()
held = []
for i in range(128):
    held.append(socket.create_connection((sys.argv[1], 9478), 5, ("127.0.0.%d" % (2 + i % 4), 0)))
    held[-1].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
for n in itertools.count():
    for s in held:
        try:
            s.sendall(b"X-%d: x\r\n" % n)
        except OSError:
            pass
    print("all have said more", "known", ask() if len(sys.argv) > 2 else "", flush=True)
    time.sleep(0.2)
PY

crowd_start() { # ADDRESS [known]
	start relay crowd "$PYTHON" "$T/crowd.py" "$@"
	wait_for 20 contains "$T/crowd.log" more
}

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"' "source = \"$SENDER4\"" 'quota = "1G/day"'
ok "relayd starts" relayd_start
ok "the exporter starts" exporter_start
ok "it finds relayd" wait_for 5 is_up 1
ok "it has given up root and everything else" filtered "$(pid_of exporter)"
is "it is no root" "$(stat -c %U "/proc/$(pid_of exporter)")" nobody

get /metrics >"$T/plain"
ok "promtool finds nothing to say" sh -c "promtool check metrics <'$T/plain'"
get /metrics -H 'Accept: application/openmetrics-text' -D "$T/headers" >"$T/openmetrics"
ok "OpenMetrics is served to who asks for it" contains "$T/headers" '^Content-Type: application/openmetrics-text'
is "it ends as it should" "$(tail -n 1 "$T/openmetrics")" '# EOF'

cat >"$T/prometheus.yml" <<-YML
	global: {scrape_interval: 1s}
	scrape_configs: [{job_name: relay, static_configs: [{targets: ["127.0.0.1:9478"]}]}]
YML
start relay prometheus prometheus --config.file="$T/prometheus.yml" --storage.tsdb.path="$T/tsdb" \
	--web.listen-address=127.0.0.1:9090 --log.level=error
start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
ok "a client has punched" wait_for 5 stream_is cam1 ready
start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 100000 --rate 200
ok "the stream's counter follows the media" wait_for 10 at_least 'relayd_stream_packets_total{stream="cam1"}' 100
ok "so does the state" wait_for 10 state_is 's["state"]' live
is "which names the sender" "$(state 's["ports"][0]["sender"]')" "$SENDER4:7000"
ok "the history has it" wait_for 20 seen_in_history
ok "Prometheus reads it as OpenMetrics" wait_for 30 scraped relayd_stream_packets_total
stop prometheus
get /metrics >"$T/plain"
is "the dashboard asks for nothing else than what is served" "$(strangers "$TOP/contrib/grafana.json")" ""
dashboard_rules >"$T/rules.yml"
ok "and promtool understands its questions" promtool check rules "$T/rules.yml"
ok "it understands the alerting rules, too" promtool check rules "$ALERTS"
is "they ask for nothing else than what is served, either" "$(strangers "$ALERTS")" ""
is "with labels that there are" "$(chosen_strangers "$ALERTS")" ""
ok "each fires when it should" promtool test rules "$TOP/tests/data/alerts_test.yml"
is "and none is without a test" "$(untested_alerts)" ""
is "the page for operators names what is served" \
	"$(strangers "$TOP/docs/operations.md"; chosen_strangers "$TOP/docs/operations.md")" ""

is "explain says that a packet would arrive" \
	"$(get '/api/explain?stream=cam1' >"$T/explain.json" && json "$T/explain.json" 'd["arrives"]')" true
is "and of an unknown stream that there is none" \
	"$(get '/api/explain?stream=none' >"$T/explain.json" && json "$T/explain.json" 'd["error"]')" 'there is no stream none'
is "a name that somebody points here is not served" "$(status / -H 'Host: evil.example')" 421
is "what changes something is not there" "$(status /api/state -X POST)" 405

# Less than Prometheus waits, or it would take the exporter for dead and not relayd.
# shellcheck disable=SC2046
kill -STOP $(relayd_pids)
ok "it says so when relayd hangs, and soon" contains <(get /metrics --max-time 9) '^relayd_up 0'
# shellcheck disable=SC2046
kill -CONT $(relayd_pids)
ok "and when it goes on" wait_for 10 is_up 1
lost=$(exported relayd_losses_total)

relayd_kill
ok "it says so when relayd is dead" wait_for 10 is_up 0
ok "and on the page, with what it knew" wait_for 10 state_is 'not d["up"]' true
ok "relayd starts again" relayd_start
ok "the exporter finds it by itself" wait_for 10 is_up 1
is "one loss is counted" "$(exported relayd_losses_total)" $((lost + 1))

ok "a crowd comes" crowd_start 127.0.0.1
figure "memory of the exporter with 128 open connections, kB" \
	"$(awk '/VmRSS/ { print $2 }' "/proc/$(pid_of exporter)/status")"
ok "connections that ask for nothing do not shut others out" is_up 1
stop crowd
stop exporter
is "it ends with 0" $? 0

echo 'correct-horse-battery' >"$T/token"
chmod 644 "$T/token"
in_ns relay timeout 5 "$EXPORTER" --token-file "$T/token" 2>"$T/mode"
ok "a token that others can read is refused" contains "$T/mode" 'others may read'
chmod 600 "$T/token"
in_ns relay timeout 5 "$EXPORTER" --listen "$RELAY4:9478" 2>"$T/bare"
ok "nothing is open to others without a token" contains "$T/bare" 'token-file'
URL=http://$RELAY4:9478
exporter_start --listen "$RELAY4:9478" --token-file "$T/token"
is "without the token there are no metrics; a wrong one is none" \
	"$(status /metrics) $(status /metrics -H 'Authorization: Bearer wrong-horse-battery')" "401 401"
is "with it there are" "$(status /metrics -H 'Authorization: Bearer correct-horse-battery')" 200
status /login -d token=correct-horse-battery -c "$T/jar" >/dev/null
is "the form gives a cookie that opens the page" \
	"$(status /api/state -b "$T/jar") $(not grep -q correct-horse "$T/jar" "$T/exporter.err" && echo secret)" \
	"200 secret"
crowd_start "$RELAY4" known
ok "nor does a crowd shut out who has shown the token" contains "$T/crowd.log" 'known 200'
stop crowd

# --- another token

ok "the process that reads the token can do nothing else" filtered "$(keeper)"
echo 'staple-battery-horse' >"$T/token.new"
chmod 644 "$T/token.new"
mv "$T/token.new" "$T/token"
kill -HUP "$(pid_of exporter)"
ok "when told to it reads the token again, and says what is wrong with it" \
	wait_for 5 contains "$T/exporter.err" 'others may read.*stays as it was'
ok "the old one is good until then" opens_with correct-horse-battery
chmod 600 "$T/token"
kill -HUP "$(pid_of exporter)"
ok "then the new one is" wait_for 5 opens_with staple-battery-horse
is "and neither the old one nor the cookie that was made with it" \
	"$(status /metrics -H 'Authorization: Bearer correct-horse-battery') $(status /api/state -b "$T/jar")" "401 401"
keeper=$(keeper)
stop exporter
is "it ends with 0 again" $? 0
ok "and the process that reads the token with it" wait_for 5 gone "$keeper"
