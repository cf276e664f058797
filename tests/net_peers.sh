#!/usr/bin/env bash
# Two peers are introduced by the relay, and the kernel relays between them.
#
#   service 198.51.100.175 --- net --- nat 192.0.2.9 --- client 10.0.0.2
#                               |
#                             relay 203.0.113.7
. "$(dirname "$0")/lib.sh"
plan 12

PEERTOOL=$TOP/tests/peertool.py

pairs_are() { # COUNT
	[ "$(pctl --json show web | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)["pairs"]))')" = "$1" ]
}

kernel_has() { # COUNT: directions
	[ "$(pctl --json rules web | "$PYTHON" -c 'import json, sys
print(sum(len(s["peers"]) for s in json.load(sys.stdin)))')" = "$1" ]
}

offers_are() { # COUNT
	[ "$(pctl --json show web | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["offers"])')" = "$1" ]
}

# NAME COUNT SECONDS
call() {
	start client "$1" "$PYTHON" "$PEERTOOL" client --from "$CLIENT4:5000" --to "$RELAY4:3478" --name web \
		--key-file "$T/web.key" --count "$2" --for "$3"
}

serve() { # NAME
	start sender "$1" "$PYTHON" "$PEERTOOL" service --from "$SENDER4:6000" --to "$RELAY4:3478" --name web \
		--key-file "$T/web.key" --for 60
}

lab_up
relayd_conf 'consent = 10'
stream_conf web 'peers = 4'
ok "relayd starts" relayd_start
serve service
ok "a service waits" wait_for 5 offers_are 1
call client 100 20
ok "the client ends" finish client 25
is "every datagram comes back" "$(json "$T/client.log" 'd["echoed"] >= 100')" true
is "it was paired" "$(json "$T/client.log" '"paired" in d["states"]')" true
ok "the service hears that the client has gone" finish service 5
is "and has been paired" "$(json "$T/service.log" 'd["states"]')" '["waiting", "paired", "closed"]'
ok "nothing is left in the kernel" wait_for 5 kernel_has 0

# relayd falls over; the kernel relays on, and both come back.
serve again
ok "a service waits again" wait_for 5 offers_are 1
call caller 100000 60
wait_for 5 pairs_are 1
relayd_kill
relayd_start
ok "the kernel relays on" kernel_has 2
ok "both are still paired after a restart" wait_for 8 pairs_are 1
stop caller
is "nobody was sent away" "$(contains "$T/again.log" closed && echo closed)" ""
