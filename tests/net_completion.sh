#!/usr/bin/env bash
# Shells complete the words of punchctl, typed into bash, zsh and fish on a terminal: commands and
# options as --help has them, streams as relayd does, files, and other programs.
#
#   relay
. "$(dirname "$0")/lib.sh"
shells=(bash zsh fish)
plan $((4 + 9 * ${#shells[@]}))

help_of() { # [COMMAND]
	"$PUNCHCTL" "$@" --help
}

commands() {
	help_of | sed -n 's/^  \([a-z]*\) .*/\1/p'
}

options_of() { # COMMAND
	help_of "$1" | sed '/^$/q' | grep -oE -- '--?[a-z0-9][a-z-]*'
}

offered() { # WORD...
	"$PUNCHCTL" complete -- "$@" | cut -f 1 | sort
}

# What --help speaks of, and what is offered is that and what every command has.
options_missing() {
	local command
	for command in $(commands); do
		diff <({ options_of "$command"; printf '%s\n' --help --json --socket; } | sort -u) \
			<(offered "$command" -) >"$T/diff" || { echo "$command" && cat "$T/diff"; }
	done
}

# Each shell finds what "make install" installed by the means that it has for packages.
shell_words() { # SHELL
	case $1 in
	bash) words=(bash --rcfile "$T/bashrc" -i) ;;
	zsh) words=(env ZDOTDIR="$T" zsh -i) ;;
	fish) words=(fish -i -C 'function fish_prompt; echo "ready> "; end; function fish_greeting; end') ;;
	esac
}

typist() { # SHELL KEYS WHAT WORD...
	shell_words "$1"
	(cd "$T/work" && env -i TERM=xterm LANG=C.UTF-8 HOME="$T/home" PATH="$T/bin:/usr/bin:/bin" \
		XDG_DATA_DIRS="$share:/usr/share" "$PYTHON" "$TOP/tests/typist.py" "${@:2}" -- "${words[@]}")
}

# What punchctl is called with in the end.
typed() { # SHELL KEYS
	rm -f "$T/called"
	typist "$1" "$2\\r" --file "$T/called" 2>"$T/screen"
}

share=$T/installed$(sed -n 's/^datadir = //p' "$BUILD/Makefile" | sed "s,\${datarootdir},\${prefix}/share,; s,\${prefix},$(sed -n 's/^prefix = //p' "$BUILD/Makefile"),")
mkdir -p "$T/bin" "$T/work" "$T/home/.config/punchrelay"
# Where this folder is missing, fish has it written in the background, and goes on when we have ended.
mkdir -p "$T/home/.local/share/fish/generated_completions"
: >"$T/home/.config/punchrelay/garden.conf"
: >"$T/work/secret.key"
cat >"$T/bin/punchctl" <<-SCRIPT
	#!/bin/sh
	[ "\$1" != complete ] || exec "$PUNCHCTL" --socket "$T/relayd/relayd.sock" "\$@"
	echo "\$*" >"$T/called.new" && mv "$T/called.new" "$T/called"
SCRIPT
printf '#!/bin/sh\n' >"$T/bin/someplayer"
chmod +x "$T/bin/"*
cat >"$T/bashrc" <<-'RC'
	. /usr/share/bash-completion/bash_completion
	PS1='ready> '
RC
cat >"$T/.zshrc" <<-RC
	fpath=("$share/zsh/site-functions" \$fpath)
	autoload -U compinit && compinit -u -d "$T/zcompdump"
	LISTMAX=1000
	PS1='ready> '
RC

ok "make install" make -s -C "$BUILD" install DESTDIR="$T/installed"
is "every command of --help is offered, and no other" "$(offered '')" "$(commands | sort)"
is "so are the options of each" "$(options_missing)" ""
host_up net && public_host relay eth0 "$RELAY4" "$RELAY6"
relayd_conf
stream_conf cam1 'listen = "9099"'
stream_conf hall 'listen = "9101"'
ok "relayd starts" relayd_start
for shell in "${shells[@]}"; do
	tabs='\t'
	[ "$shell" != bash ] || tabs='\t\t'
	# shellcheck disable=SC2046
	ok "$shell lists the commands" typist "$shell" "punchctl $tabs" --screen $(commands)
	# shellcheck disable=SC2046
	ok "$shell lists the options of one" typist "$shell" "punchctl add --$tabs" --screen $(options_of add)
	is "$shell completes a command, and a stream" "$(typed "$shell" 'punchctl expl\tca\t')" "explain cam1"
	is "$shell completes an option" "$(typed "$shell" 'punchctl doctor --fix --y\t')" "doctor --fix --yes"
	is "$shell completes a file" "$(typed "$shell" 'punchctl add x --key-f\tsec\t')" "add x --key-file secret.key"
	is "$shell completes a stream that the user has a file of" "$(typed "$shell" 'punchctl punch gar\t')" "punch garden"
	is "$shell completes a player" "$(typed "$shell" 'punchctl punch x@y -- somepl\t')" "punch x@y -- someplayer"
done
relayd_stop
for shell in "${shells[@]}"; do
	is "$shell completes no stream without a daemon" "$(typed "$shell" 'punchctl show ca\t')" "show ca"
	ok "and says nothing" not contains "$T/screen" relayd
done
