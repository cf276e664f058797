# shellcheck shell=bash
# docs.sh: runs the commands of a page of the documentation, each on its host of the lab, as a user
# who may sudo and has the programs installed. Source it behind lib.sh. What a page writes, and
# wherever it writes, is in memory and goes with the host; nothing of this machine is changed.
# shellcheck disable=SC2154

DOCS_LIMIT=120 # seconds that a command may take
DOCS_UID=61000
export DOCS_RELAY=$RELAY4 DOCS_SENDER=$SENDER4 DOCS_CLIENT=$NAT4
declare -A DOCS_RUNS=() # how many commands that go on each host has had

# What players and others want to know; there is no screen, and no sound.
DOCS_ENV=(
	LC_ALL=C.UTF-8 TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy GST_PLUGIN_FEATURE_RANK=fakevideosink:MAX
)

# What lies over the system of every host: its user may sudo, apt need not ask, there is no name server
# but sudo asks for the host's own name, and scp copies between the hosts of the lab.
docs_layer() {
	[ ! -d "$T/layer" ] || return 0
	docs_lay etc/sudoers.d/user 'user ALL=(ALL) NOPASSWD: ALL' &&
		docs_lay etc/apt/apt.conf.d/docs 'APT::Get::Assume-Yes "true";' &&
		docs_lay etc/dpkg/dpkg.cfg.d/docs force-confold &&
		docs_lay etc/resolv.conf '' && docs_lay etc/hostname "$(uname -n)" &&
		docs_lay etc/hosts $'127.0.0.1 localhost\n127.0.1.1 '"$(uname -n)" &&
		install -D -m 755 "$TOP/tests/docs_scp.sh" "$T/layer/usr/local/bin/scp"
}

docs_lay() { # PATH TEXT
	install -D -m 644 /dev/stdin "$T/layer/$1" <<<"$2"
}

docs_home() { # HOST
	docs_layer && mkdir -p "$T/home/$1" && chown "$DOCS_UID:$DOCS_UID" "$T/home/$1" || return
	[ -e "/run/netns/$P$1" ] || host_up "$1"
}

# A host's own view of the file system: everything is as it is here, or in the folder BASE,
# until it is written to. /home is all hosts' together.
docs_host() { # HOST [BASE]
	docs_home "$1" && mkdir -p "$T/docs/$1" || return
	start "$1" "docs-$1" "$BASH" "$TOP/tests/docs_root.sh" "$T" "$1" "$BUILD" "${2:-/}"
	wait_for 40 contains "$T/docs-$1.log" ready || { cat "$T/docs-$1.err" && false; }
}

docs_ready() { # HOST
	running "docs-$1" || running "$1.machine" || docs_host "$1"
}

# Where scp finds a host that a page names by its address.
docs_known() { # ADDRESS HOST
	mkdir -p "$T/home" && ln -sfn "$2" "$T/home/$1"
}

# Sets docs_words to the words that run something there as root; a host may be a machine of machine.sh.
docs_enter() { # HOST
	docs_words=(nsenter -t "$(pid_of "docs-$1")" -m -n -r -w)
	running "$1.machine" && docs_words=(nsenter -t "$(machine_init "$1" | xargs)" -m -p -u -i -n -C -r -w)
	docs_words+=(-- env -i "${DOCS_ENV[@]}" HOME=/root)
}

docs_root() { # HOST CMD...
	docs_enter "$1"
	"${docs_words[@]}" "${@:2}"
}

# A machine of machine.sh in place of such a host: its commands, and its users', have a systemd.
docs_machine() { # HOST [FOLDER...]
	local tree=
	[ "$1" != here ] || tree=$TOP
	docs_home "$1" && MACHINE_HOME=$T/home MACHINE_TREE=$tree machine_up "$@" "$T/layer" &&
		machine "$1" groupadd --gid "$DOCS_UID" user &&
		machine "$1" useradd --home-dir "/home/$1" --shell /bin/bash --uid "$DOCS_UID" --gid "$DOCS_UID" user &&
		machine "$1" loginctl enable-linger user && wait_for 40 docs_manager "$1"
}

docs_manager() { # HOST
	machine "$1" test -S "/run/user/$DOCS_UID/systemd/private"
}

# The tree of "here" is the user's, who may build there.
docs_owned() {
	docs_ready here && docs_root here chown -R "$DOCS_UID:$DOCS_UID" "$TOP"
}

# And is as it was fetched: with nothing that was built.
docs_fetched() {
	docs_root here sh -c 'cd "$1" && rm -rf build build-* configure Makefile.in autom4te.cache' sh "$TOP" && docs_owned
}

# What "make install" puts into place, for machines.
docs_installed() {
	[ -d "$T/installed" ] || make -s -C "$BUILD" install DESTDIR="$T/installed"
}

# relayd in such a machine, as it is after its installation.
docs_service() { # HOST
	docs_installed && docs_machine "$1" "$T/installed" &&
		docs_root "$1" install -d -m 750 -g relayd /etc/relayd.conf.d &&
		docs_root "$1" install -m 640 -g relayd /dev/stdin /etc/relayd.conf <"$TOP/relayd.conf.example" &&
		docs_root "$1" systemctl enable --now --quiet relayd
}

# Sets docs_words to the words that run a block as the user, in its home, or there as root; on the host
# called "here", in this tree.
docs_as() { # [root@]HOST BLOCK
	local host=${1#root@} dir=/home/${1#root@}
	[ "$host" != here ] || dir=$TOP
	docs_enter "$host"
	[ "$host" != "$1" ] || docs_words+=("HOME=/home/$host" USER=user LOGNAME=user
		"XDG_RUNTIME_DIR=/run/user/$DOCS_UID" setpriv "--reuid=$DOCS_UID" "--regid=$DOCS_UID" --init-groups)
	docs_words+=(bash -e -o pipefail -c "cd ${dir@Q}"$'\n'"$(docs_text "$2")")
}

# KEY is the one that was printed last.
docs_text() { # BLOCK
	sed "s|\\bKEY\\b|${DOCS_KEY:-KEY}|g" "$1"
}

docs_file() { # HOST BLOCK PATH
	local owner=0 path=$3 dir=/home/$1
	[ "$1" != here ] || dir=$TOP
	[ "$path" != "${path#/}" ] || owner=$DOCS_UID path=$dir/$3
	docs_text "$2" | docs_root "$1" install -D -m 644 -o "$owner" -g "$owner" /dev/stdin "$path"
}

docs_put() { # HOST FILE...: into the user's home
	local file
	docs_ready "$1" || return
	for file in "${@:2}"; do
		docs_root "$1" install -m 644 -o "$DOCS_UID" -g "$DOCS_UID" /dev/stdin "/home/$1/${file##*/}" <"$file" || return
	done
}

# relayd on the relay, as it is after its installation.
docs_relayd() {
	docs_host relay && docs_known "$RELAY4" relay || return
	docs_root relay install -m 640 -g relayd /dev/stdin /etc/relayd.conf <"$TOP/relayd.conf.example" || return
	docs_enter relay
	start relay relayd "${docs_words[@]}" relayd
	wait_for 20 docs_root relay punchctl list
}

# One that goes on is named HOST.NUMBER, counted on each host: stop client.1 ends the first.
docs_start() { # [root@]HOST BLOCK
	local host=${1#root@}
	DOCS_RUNS[$host]=$((${DOCS_RUNS[$host]-0} + 1))
	DOCS_LAST=$host.${DOCS_RUNS[$host]}
	docs_as "$1" "$2"
	start "$host" "$DOCS_LAST" "${docs_words[@]}"
}

docs_do() { # [root@]HOST BLOCK
	DOCS_LAST=docs-block
	docs_as "$1" "$2"
	timeout "$(seconds "$DOCS_LIMIT")" "${docs_words[@]}" </dev/null >"$T/docs-block.log" 2>"$T/docs-block.err"
}

docs_said() { # BLOCK
	"$PYTHON" "$TOP/tests/docs.py" said "$1" "$T/$DOCS_LAST.log" "$T/$DOCS_LAST.err"
}

docs_key() {
	local key
	key=$(grep -Eo '[A-Za-z0-9+/]{43}=' "$T/$DOCS_LAST.log" | tail -n 1)
	DOCS_KEY=${key:-${DOCS_KEY-}}
}

docs_block() { # BLOCK KIND [root@]HOST REST
	[ "$2" = text ] || docs_ready "${3#root@}" || return
	case $2,$4 in
	sh,runs) docs_start "$3" "$1" ;;
	sh,*) docs_do "$3" "$1" && docs_key ;;
	text,*) wait_for 40 docs_said "$1" || { docs_said "$1" && false; } ;;
	*) docs_file "$3" "$1" "$4" ;;
	esac
}

# For a test that fails: the end of what these said.
docs_tell() { # NAME...
	local name
	for name in "$@"; do
		tail -n 8 "$T/$name.log" "$T/$name.err"
	done
}

# Runs the blocks of a page, or those right below these headings, in their order. Commands that go on are
# left running, and have to be there still at the end.
docs_run() { # PAGE [HEADING...]
	local number line kind host rest name going=()
	mkdir -p "$T/blocks" && docs_known "$DOCS_RELAY" relay && docs_known "$DOCS_SENDER" sender || return
	"$PYTHON" "$TOP/tests/docs.py" blocks "$TOP/$1" "$T/blocks" "${@:2}" >"$T/blocks/list" ||
		{ cat "$T/blocks/list" && return 1; }
	[ -s "$T/blocks/list" ] || { echo "$1 has no blocks there" && return 1; }
	while read -r number line kind host rest <&3; do
		docs_block "$T/blocks/$number" "$kind" "$host" "$rest" || {
			echo "$1:$line: $kind $host $rest"
			docs_tell "${going[@]}" "$DOCS_LAST"
			return 1
		}
		[ "$rest" != runs ] || going+=("$DOCS_LAST")
	done 3<"$T/blocks/list"
	for name in "${going[@]}"; do
		running "$name" || { echo "$1: $name has ended" && docs_tell "$name" && return 1; }
	done
}
