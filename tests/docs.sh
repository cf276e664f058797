# shellcheck shell=bash
# docs.sh: runs the commands of a page of the documentation, each on its host of the lab, as a user
# who may sudo and has the programs installed. Source it behind lib.sh. What a page writes, and
# wherever it writes, is in memory and goes with the host; nothing of this machine is changed.
# shellcheck disable=SC2154

DOCS_USER=user                         # whose commands they are; /home/HOST is its home on HOST
DOCS_LIMIT=60                          # seconds that a command may take
export DOCS_RELAY=$RELAY4 DOCS_SENDER=$SENDER4 DOCS_CLIENT=$NAT4
declare -A DOCS_RUNS=()                # how many commands that go on each host has

# Where scp finds a host that a page names by its address.
docs_known() { # ADDRESS HOST
	mkdir -p "$T/home" && ln -sfn "$2" "$T/home/$1"
}

# A host's own view of the file system: everything is as it is here, or in the folder BASE,
# until it is written to. /home is all hosts' together, which is how the stand-in for scp copies.
docs_host() { # HOST [BASE]
	local host=$1 home=$T/home/$1
	mkdir -p "$home" "$T/docs/$host" || return
	chown 61000:61000 "$home"
	start "$host" "docs-$host" "$BASH" "$TOP/tests/docs_root.sh" "$T" "$host" "$BUILD" "${2:-/}"
	wait_for 20 contains "$T/docs-$host.log" ready || { cat "$T/docs-$host.err" && false; }
}

# As root, in what the host sees.
docs_root() { # HOST CMD...
	local host=$1
	shift
	nsenter -t "$(pid_of "docs-$host")" -m -n -r -w -- env -i "${DOCS_ENV[@]}" HOME=/root "$@"
}

# What players and others want to know; there is no screen, and no sound.
DOCS_ENV=(
	LC_ALL=C.UTF-8 TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy GST_PLUGIN_FEATURE_RANK=fakevideosink:MAX
)

# relayd on the relay, as it is after its installation.
docs_relayd() {
	docs_host relay || return
	docs_root relay install -m 640 -g relayd /dev/stdin /etc/relayd.conf <"$TOP/relayd.conf.example" || return
	start relay relayd nsenter -t "$(pid_of docs-relay)" -m -n -r -w -- \
		env -i "${DOCS_ENV[@]}" relayd
	wait_for 10 docs_root relay punchctl list
}

docs_put() { # HOST FILE...: into the user's home
	local host=$1
	shift
	docs_ready "$host" && install -m 644 -o 61000 -g 61000 "$@" "$T/home/$host/"
}

docs_ready() { # HOST
	running "docs-$1" || docs_host "$1"
}

# Sets docs_words to the words that run a block as the user, in its home.
docs_as_user() { # HOST FILE
	docs_words=(nsenter -t "$(pid_of "docs-$1")" -m -n -r -w --
		env -i "${DOCS_ENV[@]}" "HOME=/home/$1" "USER=$DOCS_USER" "LOGNAME=$DOCS_USER"
		setpriv --reuid=61000 --regid=61000 --init-groups
		bash -c 'cd && exec bash -e -o pipefail "$1"' docs "/home/.docs/$2")
}

docs_file() { # HOST BLOCK PATH
	case $3 in
	/*) docs_root "$1" install -D -m 644 "/home/.docs/$2" "$3" ;;
	*) docs_root "$1" install -D -m 644 -o 61000 -g 61000 "/home/.docs/$2" "/home/$1/$3" ;;
	esac
}

# One that goes on is named HOST.NUMBER, counted on each host: stop client.1 ends the first.
docs_start() { # HOST BLOCK
	DOCS_RUNS[$1]=$((${DOCS_RUNS[$1]-0} + 1))
	DOCS_LAST=$1.${DOCS_RUNS[$1]}
	docs_as_user "$1" "$2"
	start "$1" "$DOCS_LAST" "${docs_words[@]}"
}

docs_do() { # HOST BLOCK
	DOCS_LAST=docs-block
	docs_as_user "$1" "$2"
	timeout "$(seconds "$DOCS_LIMIT")" "${docs_words[@]}" </dev/null >"$T/docs-block.log" 2>"$T/docs-block.err"
}

docs_said() { # BLOCK
	"$PYTHON" "$TOP/tests/docs.py" said "$T/home/.docs/$1" "$T/$DOCS_LAST.log" "$T/$DOCS_LAST.err"
}

docs_block() { # NUMBER KIND HOST REST
	case $2 in
	sh | text) ;;
	*) docs_ready "$3" && docs_file "$3" "$1" "$4" && return ;;
	esac
	case $2,$4 in
	sh,runs) docs_ready "$3" && docs_start "$3" "$1" ;;
	sh,*) docs_ready "$3" && docs_do "$3" "$1" ;;
	text,*) wait_for 20 docs_said "$1" || { docs_said "$1" && false; } ;;
	esac
}

# Runs the blocks of a page, or those right below one heading, in their order. Commands that go on are
# left running; each has to be there still when the next block has been run.
docs_run() { # PAGE [HEADING]
	local number line kind host rest
	mkdir -p "$T/home/.docs" && docs_known "$DOCS_RELAY" relay && docs_known "$DOCS_SENDER" sender || return
	"$PYTHON" "$TOP/tests/docs.py" blocks "$TOP/$1" "$T/home/.docs" "${2-}" >"$T/docs-blocks" || return
	[ -s "$T/docs-blocks" ] || { echo "$1 has no blocks there" && return 1; }
	while read -r number line kind host rest <&3; do
		docs_block "$number" "$kind" "$host" "$rest" && continue
		echo "$1:$line: $kind $host $rest: status $?"
		tail -n 15 "$T/$DOCS_LAST.log" "$T/$DOCS_LAST.err"
		return 1
	done 3<"$T/docs-blocks"
}
