#!/usr/bin/env bash
# What people and programs get wrong: every option of relayd and punchctl, every key of relayd.conf,
# the control socket; and a full disk under the registry. A clear error, and nothing has changed.
#
#   sender --- net --- nat --- client
#               |
#             relay: relayd, its control socket and its registry
. "$(dirname "$0")/lib.sh"
plan 217

SOCKET=$T/relayd/relayd.sock
KEY=MDEyMzQ1Njc4OWFiY2RlZg==
STRANGER=(setpriv --reuid 54321 --regid 54321 --clear-groups)

run() { # HOST CMD...; sets STATUS
	STATUS=0
	timeout 5 ip netns exec "$P$1" "${@:2}" >"$T/run.out" 2>"$T/run.err" </dev/null || STATUS=$?
}

# It ended with this status, said why in the first line and at most its usage in the second, and
# left things as they were.
refused() { # STATUS PATTERN
	[ "$STATUS" -eq "$1" ] && sed -n 1p "$T/run.err" | grep -Eq -- "$2" &&
		[ "$(grep -vc '^usage:\|^  ' "$T/run.err")" -eq 1 ] && unchanged
}

tell() { # for a failure to show
	refused "$@" || {
		echo "status $STATUS, wanted $1 and \"$2\""
		cat "$T/run.err"
		unchanged
		return 1
	}
}

# Either no relayd at all, or the same one with the same streams.
state() {
	in_ns relay nft -s list ruleset | sed -E '/elements/s/(counter|expires)[^,}]*//g'
	[ ! -S "$SOCKET" ] || pctl list
	relayd_pids
}

unchanged() {
	state >"$T/state.new"
	diff "$T/state" "$T/state.new"
}

relayd_says() { # WHAT STATUS PATTERN OPTION...
	run relay "$RELAYD" "${@:4}"
	ok "relayd $1" tell "$2" "$3"
}

pctl_says() { # STATUS PATTERN WORD...
	run relay "$PUNCHCTL" --socket "$SOCKET" "${@:3}"
	ok "punchctl ${*:3}" tell "$1" "$2"
}

punch_says() { # STATUS PATTERN WORD...
	run client "$PUNCHCTL" punch "${@:3}"
	ok "punchctl punch ${*:3}" tell "$1" "$2"
}

keys_hidden() { # relayd would warn
	chown "root:$(id -gn "$(relayd_user)")" "$T/relayd.conf" && chmod 640 "$T/relayd.conf"
}

lab_up
relayd_conf
cp "$T/relayd.conf" "$T/good.conf"
state >"$T/state"

# --- relayd's options

mkdir "$T/folder"
relayd_says "--bogus" 2 bogus --bogus
relayd_says "-x" 2 x -x
relayd_says "--config without a file" 2 config --config
relayd_says "--check=yes" 2 check --check=yes
relayd_says "--flush=yes" 2 flush --flush=yes
relayd_says "--verbose=2" 2 verbose --verbose=2
relayd_says "with a word too many" 2 '"now"' --config "$T/good.conf" now
relayd_says "--check and --flush" 2 exclude --check --flush
relayd_says "--config with a file that is not there" 1 "^relayd: $T/none: " --config "$T/none"
relayd_says "--config with a folder" 1 "^relayd: $T/folder: " --config "$T/folder"
relayd_says "--config with nothing" 1 "^relayd: " --config ""

# --- relayd.conf: a wrong line in place of each key, as it would be written third

bad_conf() { # LINE-NUMBER PATTERN LINE...
	local line=$1 pattern=$2
	shift 2
	{
		echo "# a comment"
		echo
		printf '%s\n' "$@"
		grep -v "^${1%% *} " "$T/good.conf"
	} >"$T/bad.conf"
	run relay "$RELAYD" --check --config "$T/bad.conf"
	ok "--check: $*" tell 1 "^relayd: $T/bad.conf:$line: .*$pattern"
	run relay "$RELAYD" --config "$T/bad.conf"
	ok "start: $*" tell 1 "^relayd: $T/bad.conf:$line: .*$pattern"
}

bad_stream() { # PATTERN OPTION-LINE
	bad_conf 5 "$1" 'stream "cam1" {' 'listen = "9099"' "$2" "key = \"$KEY\"" '}'
}

bad_conf 3 address 'address = { "nowhere" }'
bad_conf 3 address 'address = { "192.0.2.77" }'
bad_conf 3 address "address = { \"$RELAY4\", \"$RELAY4\" }"
bad_conf 3 address "address = { \"auto\", \"$RELAY4\" }"
bad_conf 3 advertise 'advertise = { "10.0.0.4" }'
bad_conf 3 advertise 'advertise = { "10.0.0.4=203.0.113.9" }'
bad_conf 3 advertise "advertise = { \"$RELAY4=127.0.0.1\" }"
bad_conf 3 punch 'punch = 0'
bad_conf 3 punch 'punch = 65536'
bad_conf 3 punch 'punch = many'
bad_conf 3 punch 'punch = -1'
bad_conf 3 realm 'realm = ""'
bad_conf 3 realm "realm = \"$(printf 'x%.0s' {1..200})\""
bad_conf 3 consent 'consent = 9'
bad_conf 3 consent 'consent = 3601'
bad_conf 3 consent 'consent = 1.5'
bad_conf 3 database 'database = "streams.db"'
bad_conf 3 database 'database = "/var/lib/"'
bad_conf 3 socket 'socket = "relayd.sock"'
bad_conf 3 socket "socket = \"/$(printf 'x%.0s' {1..120})\""
bad_conf 3 user 'user = "no such user"'
bad_conf 3 'no such option' 'colour = "red"'
bad_conf 3 . 'punch 3478'
bad_conf 4 punch 'punch =' # the value is sought in the next line
bad_conf 4 punch 'punch = 3478' 'punch = 3479'
bad_conf 3 '9abc|name' 'stream "a b" {' 'listen = "9099"' "key = \"$KEY\"" '}'
bad_conf 3 cam1 'stream "cam1" {' "key = \"$KEY\"" '}'
bad_conf 3 cam1 'stream "cam1" {' 'listen = "9099"' '}'
bad_conf 3 cam1 "stream \"cam1\" { listen = \"3478\" key = \"$KEY\" }"
bad_conf 4 cam2 "stream \"cam1\" { listen = \"9099\" key = \"$KEY\" }" \
	"stream \"cam2\" { listen = \"9099\" key = \"$KEY\" }"
bad_conf 4 cam1 "stream \"cam1\" { listen = \"9099\" key = \"$KEY\" }" \
	"stream \"cam1\" { listen = \"9100\" key = \"$KEY\" }"
bad_conf 4 listen 'stream "cam1" {' 'listen = "0"' '}'
bad_conf 4 listen 'stream "cam1" {' 'listen = "9099-9000"' '}'
bad_conf 4 listen 'stream "cam1" {' 'listen = "1-65535"' '}'
bad_stream source 'source = "somebody"'
bad_stream source 'source = "198.51.100.7/24"'
bad_stream key 'key = "secret"'
bad_stream clients 'clients = "192.0.2.0/33"'
bad_stream rate 'rate = 1'
bad_stream rate 'rate = "fast"'
bad_stream raw-punch 'raw-punch = 65536'
bad_stream 'no such option' 'colour = "red"'

# --- a file without a mistake, on a host where it would not do

host_says() { # WHAT PATTERN, of --check and of a start
	relayd_says "--check: $1" 1 "^relayd: .*$2" --check --config "$T/relayd.conf"
	relayd_says "start: $1" 1 "^relayd: .*$2" --config "$T/relayd.conf"
}

check_says() { # WHAT PATTERN
	relayd_says "--check: $1" 1 "^relayd: $2" --check --config "$T/relayd.conf"
}

relayd_conf 'user = "nosuch"'
host_says "a user that is not there" 'there is no user "nosuch"'
user=$(relayd_user)
relayd_conf "database = \"$T/no/folder/streams.db\""
check_says "a database where nobody makes a folder" "database: $T/no/folder: No such file .*; user $user must"
relayd_conf "database = \"$T/folder/streams.db\""
check_says "a database in another's folder" "database: $T/folder: Permission denied; user $user must"
relayd_conf "database = \"$T/new/streams.db\""
run relay "$RELAYD" --check --config "$T/relayd.conf"
is "--check: a database in a folder that relayd makes" "$STATUS" 0
ok "of which it speaks" contains "$T/run.err" "^relayd: database: there is no folder $T/new yet"
in_ns relay "$RELAYD" --check --config "$T/relayd.conf" >/dev/full 2>"$T/run.err"
is "--check: what cannot be printed" $? 1
ok "of which it speaks, too" contains "$T/run.err" '^relayd: standard output: No space left'

relayd_conf
mkdir "$T/keys" "$T/relayd.conf.d"
printf 'stream "cam1" {\n\tlisten = 9099\n\tkey-file = "%s"\n}\n' "$T/keys/cam1" >"$T/relayd.conf.d/cam1.conf"
(umask 077 && echo "$KEY" >"$T/keys/cam1")
host_says "a key that root alone may read" \
	"/cam1.conf:3: .*key-file: $T/keys/cam1: Permission denied \(read as user $user\)"
chown "$user:" "$T/keys/cam1"
run relay "$RELAYD" --check --config "$T/relayd.conf"
is "--check: a key that the user has, in a file that everybody may read" "$STATUS" 0
is "is nothing to warn of" "$(cat "$T/run.err")" ""
run relay setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$RELAYD" --check --config "$T/relayd.conf"
is "--check: by the user himself" "$STATUS" 0
chown 54321 "$T/keys/cam1" && chgrp "$(id -g "$user")" "$T/keys/cam1" && chmod 640 "$T/keys/cam1"
host_says "a key of another user" '/cam1.conf:3: .*it belongs to another user, 54321; chown root '
chown root "$T/keys/cam1" && chmod 642 "$T/keys/cam1"
host_says "a key that everybody may write" '/cam1.conf:3: .*everybody on this host may write it; chmod o-w '
rm "$T/keys/cam1" && mkfifo "$T/keys/cam1"
host_says "a key that is a FIFO" "/cam1.conf:3: .*key-file: $T/keys/cam1: not a regular file"
rm "$T/relayd.conf.d/cam1.conf" && mkfifo "$T/relayd.conf.d/cam1.conf"
host_says "a part that is a FIFO" '/cam1.conf: cannot be read: not a regular file; mend it'
rm -r "$T/relayd.conf.d"

# --- a relayd that runs

stream_conf cam1 'listen = "9099"'
keys_hidden
ok "relayd starts" relayd_start
ok "a stream is added" pctl add run1 --listen 9300
start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 9099
ok "a client punches" wait_for 5 stream_is cam1 ready
state >"$T/state"

relayd_says "twice" 1 'in use|another relayd' --config "$T/relayd.conf"
relayd_says "--flush beside another" 1 'relayd' --flush

# --- punchctl's words

run relay "$PUNCHCTL"
ok "punchctl without a command" test "$STATUS" -eq 2
run relay "$PUNCHCTL" --socket
ok "punchctl --socket without a path" tell 2 socket
run relay "$PUNCHCTL" --socket "$T/none" list
ok "punchctl with a socket that is not there" tell 3 "$T/none"
run relay "$PUNCHCTL" --socket "$T/relayd.conf" list
ok "punchctl with a socket that is none" tell 3 "$T/relayd.conf"
pctl_says 2 bogus bogus
pctl_says 2 bogus --bogus
for word in list show remove flush reload monitor rules metrics key; do
	pctl_says 2 bogus "$word" --bogus
done
for word in list reload monitor metrics key; do
	pctl_says 2 many "$word" too many
done
for word in show remove flush rules; do
	pctl_says 2 many "$word" too many
	pctl_says 1 none "$word" none
done
pctl_says 2 missing show
pctl_says 2 missing remove
pctl_says 1 relayd.conf remove cam1
pctl_says 2 missing add
pctl_says 2 listen add x
pctl_says 2 many add x many --listen 9400
pctl_says 2 . add x --listen
pctl_says 2 . add x --listen 9400 --bogus
pctl_says 1 listen add x --listen 0
pctl_says 1 listen add x --listen 9400-9300
pctl_says 1 'cam1|9099' add x --listen 9099
pctl_says 1 3478 add x --listen 3478
pctl_says 1 taken\|already\|cam1 add cam1 --listen 9400
pctl_says 1 taken\|already\|run1 add run1 --listen 9400
pctl_says 1 name add "a b" --listen 9400
pctl_says 1 source add x --listen 9400 --source who
pctl_says 1 clients add x --listen 9400 --client-prefix 1.2.3.4/40
pctl_says 2 bytes add x --listen 9400 --rate fast
pctl_says 1 rate add x --listen 9400 --rate 1
pctl_says 2 port add x --listen 9400 --raw-punch none
pctl_says 2 port add x --listen 9400 --raw-punch 65536
pctl_says 2 time add x --listen 9400 --expire soon
pctl_says 1 time add x --listen 9400 --expire 0
pctl_says 1 "$T/none" add x --sdp "$T/none"
pctl_says 1 relayd.conf add x --sdp "$T/relayd.conf"

echo short >"$T/bad.key"
punch_says 2 NAME@RELAY
punch_says 2 bogus --bogus
punch_says 2 key-file "cam1@$RELAY4" --port 9099
punch_says 2 port "cam1@$RELAY4" --key-file "$T/cam1.key"
punch_says 2 NAME cam1 --key-file "$T/cam1.key" --port 9099
punch_says 2 . "cam1@$RELAY4:0" --key-file "$T/cam1.key" --port 9099
punch_says 2 port "cam1@$RELAY4" --key-file "$T/cam1.key" --port no
punch_says 2 to "cam1@$RELAY4" --key-file "$T/cam1.key" --port 9099 --to 1-2
punch_says 1 none "cam1@$RELAY4" --key-file "$T/none" --port 9099
punch_says 1 key "cam1@$RELAY4" --key-file "$T/bad.key" --port 9099
punch_says 1 none "cam1@$RELAY4" --key-file "$T/cam1.key" --sdp "$T/none"
echo "$KEY" >"$T/other.key" && chown 54322:54321 "$T/other.key" && chmod 640 "$T/other.key"
run client "${STRANGER[@]}" "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/other.key" --port 9099
ok "punchctl punch with another user's key" tell 1 'belongs to another user, 54322; chown root '
export RES_OPTIONS='timeout:1 attempts:1' # there is no name server
punch_says 1 none.invalid "cam1@none.invalid" --key-file "$T/cam1.key" --port 9099

# --- reload of a broken file

cp "$T/relayd.conf" "$T/was.conf"
echo 'stream "cam2" { listen = "no" }' >>"$T/relayd.conf"
line=$(grep -c . "$T/relayd.conf")
pctl_says 1 "$T/relayd.conf:$line: " reload
kill -HUP "$(pid_of relayd)"
ok "SIGHUP with a broken file says so" \
	wait_for 3 contains "$T/relayd.err" "$T/relayd.conf:$line: "
ok "and changes nothing" unchanged
cat "$T/was.conf" >"$T/relayd.conf"
ok "the file mended, reload is fine" pctl reload
ok "with nothing changed" unchanged

# --- the control socket

cat >"$T/ctl.py" <<'PYTHON'
"""ctl.py SOCKET WHAT: misuses the control socket; prints what came of it."""
import json, socket, sys, time

path, what = sys.argv[1:3]

def connect(timeout=5):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)  # waits while the backlog is full
    s.settimeout(timeout)
    return s

def ask(s, line):
    s.sendall(line)
    return json.loads(s.makefile("r").readline())

def served(s):
    return ask(s, b'{"do":"list"}\n')["ok"]

def garbage():
    s = connect()
    for line in (b"\n", b"\0\xff\xfe\n", b"list\n", b"[]\n", b"{}\n", b"42\n", b'"x"\n',
                 b'{"do":5}\n', b'{"do":"dance"}\n',
                 b'{"do":"show"}\n', b'{"do":"show","name":5}\n', b'{"do":"list","name":"cam1"}\n',
                 b'{"do":"list","do":"remove","name":"run1"}\n', b'{"do":"add","name":"x"}\n', b"[" * 5000 + b"\n",
                 b'{"do":"add","name":"x","listen":9400}\n', b'{"do":"add","name":"x","listen":"9400","rate":-1}\n',
                 b'{"do":"add","name":"x","listen":"9400","expire":1e99}\n',
                 b'{"do":"add","name":"x\\u0000y","listen":"9400"}\n',
                 b'{"do":"add","name":"x","listen":"9400","key":"short"}\n',
                 b'{"do":"add","name":"x","listen":"9400","colour":"red"}\n'):
        answer = ask(s, line)
        if answer["ok"] or not answer["error"] or "\n" in answer["error"]:
            return "%r: %r" % (line[:60], answer)
    return "served %s" % served(s)

def half():
    s = connect()
    s.sendall(b'{"do":"li')
    other = served(connect())
    return "other %s, then %s" % (other, ask(s, b'st"}\n')["ok"])

def endless():
    s, sent = connect(), 0
    try:
        while sent < 1 << 24:
            sent += s.send(b"a" * 4096)
    except OSError:
        pass
    try:
        answer = json.loads(s.makefile("r").readline())["error"]
    except OSError:
        answer = "closed"
    return "%s, %s" % ("closed early" if sent < 1 << 20 else "took %d" % sent, answer)

def deaf():
    s, sent = connect(0.5), 0
    try:
        while sent < 1 << 26:
            sent += s.send(b'{"do":"metrics"}\n' * 200)
    except socket.timeout:
        pass
    return "%s, other %s" % ("held up" if sent < 1 << 22 else "took %d" % sent, served(connect()))

def crowd():
    many, good, refused = [], 0, 0
    for _ in range(70):
        s = connect()
        many.append(s)
        try:
            answer = ask(s, b'{"do":"list"}\n')
        except (OSError, ValueError):
            answer = {"ok": False, "error": "too many clients?"}
        good += answer["ok"]
        refused += not answer["ok"] and "too many clients" in answer["error"]
    return "%d served, %d refused" % (good, refused)

def leave():
    for i in range(200):
        s = connect()
        s.sendall(b'{"do":"list"}\n' * 5 + b'{"do":"l')
        s.close()
    return "served %s" % served(connect())

def denied():
    return ask(connect(), b'{"do":"list"}\n')["error"]

print(globals()[what]())
PYTHON

ctl() { # WHAT
	in_ns relay "$PYTHON" "$T/ctl.py" "$SOCKET" "$1" 2>&1 | tail -n 1
}

is "garbage: an error for each line" "$(ctl garbage)" "served True"
ok "and nothing changed" unchanged
is "half a line harms nobody" "$(ctl half)" "other True, then True"
is "an endless line is cut" "$(ctl endless)" "closed early, a line is longer than 65536 bytes"
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
net=$(relayd_pids | grep -vx "$(pid_of relayd)")
before=$(memory "$net")
is "who stops reading is held up" "$(ctl deaf)" "held up, other True"
figure "kB of the net side before and after one that stops reading" "$before, $(memory "$net")"
ok "and costs no memory to speak of" test "$(memory "$net")" -lt $((before + 8192))
ok "those before have been forgotten" wait_for 5 pctl list
is "70 clients" "$(ctl crowd)" "64 served, 6 refused"
is "those who leave without hearing" "$(ctl leave)" "served True"
ok "nothing changed by all that" unchanged
run relay "${STRANGER[@]}" "$PUNCHCTL" --socket "$SOCKET" list
ok "another user does not get to the socket" tell 3 'ermission denied'
chmod 666 "$SOCKET"
run relay "${STRANGER[@]}" "$PUNCHCTL" --socket "$SOCKET" list
ok "and is refused by relayd were it open" tell 1 'ermission denied'
run relay "${STRANGER[@]}" "$PUNCHCTL" --socket "$SOCKET" remove run1
ok "whatever he wants" tell 1 'ermission denied'
chmod 660 "$SOCKET"

# --- a full disk: in a mount namespace that some process holds, so it cannot stay behind

relayd_stop
mkdir "$T/disk"
# shellcheck disable=SC2016
start relay holder "$BASH" -c 'mount -t tmpfs -o size=512k,mode=777 none "$1" && exec sleep infinity' \
	holder "$T/disk"
holder=$(pid_of holder)
DISK=/proc/$holder/root$T/disk
ok "there is a small disk" wait_for 3 contains "/proc/$holder/mounts" "$T/disk"
chown "$(relayd_user):" "$DISK"
relayd_conf "database = \"$T/disk/streams.db\""
stream_conf cam1 'listen = "9099"'
keys_hidden

disk_start() {
	start relay relayd nsenter --mount="/proc/$holder/ns/mnt" "$RELAYD" --config "$T/relayd.conf"
	wait_for 5 relayd_answers && running relayd
}

names() {
	pctl list | grep -oE '\bd[0-9]+\b' | sort -u
}

kernel_ports() {
	in_ns relay nft list set inet relayd listen4 | grep -oE ' 2[0-9]{4} ' | grep -c .
}

fill() {
	head -c 1M /dev/zero >"$DISK/fill" 2>"$T/fill.err"
	[ -s "$T/fill.err" ]
}

ok "relayd starts on it" disk_start
ok "a stream is added" pctl add d0 --listen 20000
ok "the disk is full" fill
count=1
while [ "$count" -lt 400 ]; do
	run relay "$PUNCHCTL" --socket "$SOCKET" add "d$count" --listen $((20000 + count))
	[ "$STATUS" -eq 0 ] || break
	count=$((count + 1))
done
figure "adds that still had room" "$count"
ok "then an add is refused, with the reason" \
	eval '[ "$STATUS" -eq 1 ] && contains "$T/run.err" "streams.db.*(No space left|full).*make room"'
is "what was added is there and no more" "$(names | grep -c .)" "$count"
is "in the kernel, too" "$(kernel_ports)" "$count"
names >"$T/names"
relayd_kill
ok "killed, relayd starts on the full disk" disk_start
ok "nothing has been lost" diff <(names) "$T/names"
rm "$DISK/fill"
ok "with room again the same add is done" pctl add "d$count" --listen $((20000 + count))
relayd_kill
ok "killed, it starts again" disk_start
is "and all is there" "$(names | grep -c .)" $((count + 1))
