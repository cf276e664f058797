# shellcheck shell=bash
# ruleslab.sh: hosts, and tests/rules_tool in relayd's place, for what librules puts into the kernel.
# Source it behind lib.sh.
#
#   sender 198.51.100.175 ---+
#          2001:db8:1::175   |
#                           net ---- eth0 192.0.2.9 client
#   relay  203.0.113.7   ----+            2001:db8:3::9
#          2001:db8:2::7

TOOL=${RULES_TOOL:-$BUILD/tests/rules_tool}
[ -x "$TOOL" ] || bail "no $TOOL"
# Scenarios read these.
# shellcheck disable=SC2034
{
	L4=$RELAY4:9099 L6=[$RELAY6]:9099
	S4=$SENDER4:7000 S6=[$SENDER6]:7000
	C4=$NAT4:5004 C6=[$NAT6]:5004
	P4=$RELAY4:3478 P6=[$RELAY6]:3478
}

cat >"$T/udp.py" <<'PYTHON'
"""ask FROM TO TEXT SECONDS: sends once ("stun": a request, "options": behind options in the IP
header), prints the answer, "refused" (ICMP) or "silence".
echo AT: answers, and prints who asked what. big FROM TO SIZE: prints the MTU learnt within 2 s.
keep FROM TO: sends ten a second until killed."""
import socket, struct, sys, time

def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)

def bound(text):
    at = endpoint(text)
    s = socket.socket(socket.AF_INET6 if ":" in at[0] else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(at)
    return s

STUN = struct.pack("!HHI12s", 1, 0, 0x2112A442, b"transaction.")

def ask(source, to, text, seconds):
    s = bound(source)
    s.connect(endpoint(to))
    s.settimeout(float(seconds))
    try:
        if text == "options":
            s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\1\1\1\1")
        s.send(STUN if text == "stun" else b"\x80" + text.encode())
        print(s.recv(2048).lstrip(b"\x80").decode())
    except ConnectionRefusedError:
        print("refused")
    except TimeoutError:
        print("silence")

def echo(at):
    s = bound(at)
    while True:
        data, peer = s.recvfrom(2048)
        text = "stun" if data == STUN else data.lstrip(b"\x80").decode(errors="replace")
        print(("[%s]:%d" if ":" in peer[0] else "%s:%d") % peer[:2], text[:40], flush=True)
        s.sendto(b"\x80" + text.encode(), peer)

def big(source, to, size):
    s = bound(source)
    v6 = s.family == socket.AF_INET6
    s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, 23 if v6 else 10, 2)
    s.connect(endpoint(to))
    end = time.time() + 2
    while time.time() < end:
        try:
            s.send(b"\x80" * int(size))
        except OSError:
            break
        time.sleep(0.02)
    print(s.getsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP, 24 if v6 else 14))

def keep(source, to):
    s = bound(source)
    while True:
        s.sendto(b"\x80keep", endpoint(to))
        time.sleep(0.1)

globals()[sys.argv[1]](*sys.argv[2:])
PYTHON

mkfifo "$T/in" "$T/out"
exec 7<>"$T/in" 8<>"$T/out"

tool_start() { # [legacy]; sets GREETING
	ip netns exec "${P}relay" "$TOOL" "$@" <&7 >&8 2>&1 &
	TOOL_PID=$!
	# shellcheck disable=SC2034
	read -r -t "$(seconds 5)" -u 8 GREETING || GREETING=nothing
}

# Sends lines; prints what comes until a line that ends an answer.
tool() { # LINE...
	local line
	printf '%s\n' "$@" >&7
	while read -r -t "$(seconds 10)" -u 8 line; do
		[ "$line" = . ] && return
		printf '%s\n' "$line"
		case $line in ok* | error* | persist*) return ;; esac
	done
}

tool_kill() {
	{
		kill -KILL "$TOOL_PID"
		wait "$TOOL_PID"
	} 2>/dev/null
}

ask() { # HOST FROM TO TEXT [SECONDS]
	in_ns "$1" "$PYTHON" "$T/udp.py" ask "$2" "$3" "$4" "${5:-0.3}" 2>&1
}

# Reaches the other end; the first try may meet a neighbour that has to be found.
reach() { # HOST FROM TO TEXT
	[ "$(ask "$@" "$(seconds 1)")" = "$4" ]
}

echo_start() { # NAME HOST AT
	start "$2" "$1" "$PYTHON" "$T/udp.py" echo "$3"
	wait_for 5 udp_bound "$2" "${3##*:}"
}

table() {
	in_ns relay nft list table inet relayd
}

holds() { # PATTERN
	table | grep -Eq -- "$1"
}

lacks() { # PATTERN
	not holds "$1"
}

flows() { # what conntrack knows about UDP
	in_ns relay conntrack -L -p udp "$@" 2>/dev/null
}

skeleton() { # without elements, what this nft does not know, and who the owner is
	in_ns relay nft -t list table inet relayd | sed '/^	flags/d; s/ # progname.*//'
}

persists() { # does the kernel guard the table?
	[ "${FEATURES#*persist 1}" != "$FEATURES" ]
}

# Behind the flags that skeleton leaves out, nft begins a paragraph.
expected() {
	persists && echo "$TOP/tests/data/rules.nft" && return
	sed '3{/^$/d}' "$TOP/tests/data/rules.nft" >"$T/expected"
	echo "$T/expected"
}

# The value behind a word in the line of "read" that begins so.
value() { # LINE-BEGINNING WORD
	tool read | sed -n "s/^$1.* $2 \([0-9]*\).*/\1/p"
}

sampled() { # CLIENT LISTEN RATE: what was over the rate, and what was not
	tool "sample $*" | sed -n 's/.* limited \([0-9]*\) .*/\1/p; s/.* packets \([0-9]*\) .*/\1/p' | xargs
}

consent_is_kept() { # consent that is begun anew keeps what was counted and the limit
	local packets
	tool "ingress cam $L4 $C4 any $(seconds 5000) 70000" commit
	reach sender "$S4" "$L4" "$1" || return
	packets=$(value "client cam $C4" packets)
	tool "consent cam $L4 any 60000 70000" commit
	[ "$packets" -gt 0 ] && [ "$(value "client cam $C4" packets)" = "$packets" ] &&
		[ "$(value "client cam $C4" consent)" -gt 50000 ] &&
		table | grep -q "$RELAY4 . 9099 limit rate 70000 bytes/second"
}

rules_up() {
	host_up net && forwarding_on net &&
		public_host sender eth0 "$SENDER4" "$SENDER6" &&
		public_host relay eth0 "$RELAY4" "$RELAY6" && forwarding_on relay &&
		public_host client eth0 "$NAT4" "$NAT6" || bail "no network"
}
