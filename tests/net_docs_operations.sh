#!/usr/bin/env bash
# docs/operations.md: what it says is run as it stands there, beside a stream that flows; and what is
# backed up, changed, drained and moved is looked at.
#
#   sender ---+
#   relay  ---+  (a machine with systemd)
#            net --- nat --- client
#   operator -+  (Prometheus)
#   new ------+  (the server that the relay moves to, another machine)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/machine.sh"
. "$TOP/tests/docs.sh"

machine_needed "docs/operations.md"
plan 39

OPERATOR4=198.18.66.6 NEW4=198.18.67.7

# One stream in a file of its own, with its key in another, and one that is added.
streams_make() {
	docs_root relay sh -c '
		install -d -m 750 -g relayd /etc/relayd.keys &&
		punchctl key | install -m 640 -g relayd /dev/stdin /etc/relayd.keys/cam1 &&
		install -m 640 -g relayd /dev/stdin /etc/relayd.conf.d/cam1.conf &&
		punchctl reload && punchctl add cam2 --listen 9105' <<-CONF &&
		stream "cam1" {
			listen   = 9099
			source   = "$SENDER4"
			key-file = "/etc/relayd.keys/cam1"
		}
	CONF
		docs_root relay cat /etc/relayd.keys/cam1 >"$T/old.key" && cp "$T/old.key" "$T/cam1.key" &&
		docs_put client "$T/cam1.key"
}

punch() { # NAME STREAM KEY-FILE PORT LISTEN [RELAY]
	start client "$1" "$PUNCHCTL" punch "$2@${6:-$RELAY4}" --key-file "$3" --port "$4" --to "$5"
}

state() { # HOST STREAM
	docs_root "$1" punchctl --json show "$2" >"$T/state" && json "$T/state" 'd["state"]'
}

state_is() { # HOST STREAM STATE
	[ "$(state "$1" "$2")" = "$3" ]
}

names() { # HOST
	docs_root "$1" punchctl complete -- show '' | cut -f 1 | sort | xargs
}

said() { # NAME PATTERN
	cat "$T/$1.log" "$T/$1.err" >"$T/said"
	contains "$T/said" "$2"
}

media_begin() { # NAME
	start client "recv-$1" "$UDPTOOL" recv --bind 127.0.0.1:5004 --for 100 --idle 8
	start sender "send-$1" "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 100000 --rate 200
	wait_for 5 state_is relay cam1 live
}

media_end() { # NAME
	stop "send-$1"
	stop "recv-$1"
}

client_moved() {
	docs_root relay journalctl -q -o cat RELAYD_STREAM=cam1 RELAYD_EVENT=moved >"$T/moved" && [ -s "$T/moved" ]
}

prometheus_has() { # QUERY
	docs_root operator promtool query instant http://127.0.0.1:9090 "$1" | grep -q '=> 1 '
}

alerts_of() { # FILE
	grep -oE '\bRelayd[A-Z][A-Za-z]+' "$1" | sort -u | xargs
}

rules_loaded() {
	docs_root operator curl -s --noproxy '*' http://127.0.0.1:9090/api/v1/rules >"$T/rules" &&
		[ "$(json "$T/rules" 'sum(len(g["rules"]) for g in d["data"]["groups"])')" = \
			"$(grep -c -- '- alert:' "$TOP/contrib/alerts.yml")" ]
}

lab_up
public_host operator eth0 "$OPERATOR4" && public_host new eth0 "$NEW4" && forwarding_on new || bail "no network"
ok "it is installed for machines" docs_installed
# What the page says is of the package.
mkdir -p "$T/installed/usr/sbin" && ln -s /usr/local/sbin/relayd-exporter "$T/installed/usr/sbin"
ok "relayd runs" docs_service relay
ok "with two streams" streams_make
punch one cam1 "$T/home/client/cam1.key" 5004 9099
ok "a client" wait_for 5 state_is relay cam1 ready
stop one KILL
punch one cam1 "$T/home/client/cam1.key" 5004 9099
ok "it comes from elsewhere, and the journal has it" wait_for 10 client_moved
ok "media flow" media_begin first
ok "Sizes" docs_run docs/operations.md "Sizes"
ok "When a limit is reached" docs_run docs/operations.md "When a limit is reached"

# --- alerts

docs_put operator "$TOP/contrib/alerts.yml"
ok "What to alert on" docs_run docs/operations.md "What to alert on"
ok "the journal tells of the move" contains "$T/docs-block.log" moved
is "the exporter is a unit" "$(docs_root relay systemctl show -P ActiveState relayd-exporter)" active
ok "Prometheus reads the relay's metrics" wait_for 30 prometheus_has relayd_up
ok "and all rules" wait_for 10 rules_loaded
stop operator.1
is "the page has all of them" "$(alerts_of "$TOP/docs/operations.md")" "$(alerts_of "$TOP/contrib/alerts.yml")"

# --- a copy, and what was done since is undone

ok "Back up" docs_run docs/operations.md "Back up"
is "nobody else may read it" "$(docs_root relay stat -c %a /var/backups/relayd)" 700
docs_root relay punchctl add later --listen 9107 >/dev/null
docs_root relay punchctl remove cam2 >/dev/null
is "streams come and go" "$(names relay)" "cam1 later"
ok "Restore" docs_run docs/operations.md "Restore"
is "they are what they were" "$(names relay)" "cam1 cam2"
ok "the database is relayd's alone" test \
	"$(docs_root relay stat -c '%U %a' /var/lib/relayd/streams.db)" = "relayd 600"
ok "media flow on" wait_for 5 state_is relay cam1 live
media_end first
is "not one packet was lost" "$(json "$T/recv-first.log" 'd["lost"]')" 0

# --- keys

ok "media flow again" media_begin second
ok "Change a key" docs_run docs/operations.md "Change a key"
ok "the client takes the new one" wait_for 15 said one 'holds another key now'
ok "and has the stream" wait_for 15 state_is relay cam1 live
media_end second
figure "seconds without media while the key was changed" "$(json "$T/recv-second.log" 'd["gap"]')"
punch old cam1 "$T/old.key" 5006 9099
ok "who has the old one is refused" wait_for 15 said old 'does not accept key'
stop old
punch two cam2 "$T/home/relay/cam2.key" 5008 9105
ok "the stream that was added anew has a client" wait_for 5 state_is relay cam2 ready
stop two
docs_root relay punchctl flush cam2 >/dev/null

# --- the end of a relay

ok "Drain" docs_run docs/operations.md "Drain"
ok "Back up, again" docs_run docs/operations.md "Back up"
ok "a new server" docs_service new
is "without streams" "$(names new)" ""
ok "Move to another server" docs_run docs/operations.md "Move to another server"
is "the new one has the streams" "$(names new)" "cam1 cam2"
punch three cam1 "$T/home/client/cam1.key" 5010 9099 "$NEW4"
ok "with their keys" wait_for 5 state_is new cam1 ready
punch four cam2 "$T/home/relay/cam2.key" 5012 9105 "$NEW4"
ok "all of them" wait_for 5 state_is new cam2 ready
ok "the old one serves nobody" not docs_root relay punchctl list
ok "and has no table" not in_ns relay nft list table inet relayd
is "what it has left in its state is the database" \
	"$(docs_root relay ls /var/lib/relayd | grep -v '^streams.db')" ""
