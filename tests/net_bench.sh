#!/usr/bin/env bash
# The benches, each in its shortest form: that they measure, not what. They make hosts of their own.
# check: timeout 400
. "$(dirname "$0")/lib.sh"
plan 6

export BUILD RELAYD TMPDIR=$T

has() { # FILE EXPRESSION
	[ "$(json "$T/$1" "$2")" = true ]
}

bench() { # FILE SCRIPT [OPTION...]
	timeout 180 "$TOP/scripts/$2" --json "${@:3}" >"$T/$1"
}

ok "scripts/bench" bench bench.json bench --quick
ok "compares relayd with the rules by hand" has bench.json '{"hand", "ours-1"} <= set(d["paths"])'
ok "scripts/bench --hooks" bench hooks.json bench --quick --hooks
ok "takes a packet's way apart" has hooks.json '{"hand", "consent"} <= set(d["paths"])'
ok "scripts/bench-size" bench size.json bench-size --streams 1 100 --seconds 1 --rounds 1
ok "has added streams" has size.json '[r["streams"] for r in d["results"]] == [1, 100]'
