#!/usr/bin/env bash
# A short round of scripts/matrix: one run of one pair for each way to a direct path, and of one for which there
# is none; the whole table is for scripts/matrix itself.
# check: alone
. "$(dirname "$0")/lib.sh"
plan 10

# CLIENT,SERVICE, and by which plan they find each other
pairs=(
	"full-cone,symmetric-random punch"
	"restricted,cgn punch"
	"port-restricted,port-restricted punch"
	"symmetric-preserving,symmetric-preserving punch"
	"linux,port-restricted punch"
	"symmetric-sequential,linux predict"
	"cgn,symmetric-sequential predict"
	"port-restricted,symmetric-random birthday"
)
words=()
for pair in "${pairs[@]}" "symmetric-random,linux-random -"; do
	words+=(--pairs "${pair% *}")
done

found() { # CLIENT,SERVICE FIELD
	json "$T/matrix.log" "next(c['$2'] for c in d['cells'] if c['client'] + ',' + c['service'] == '$1')"
}

export BUILD RELAYD PUNCHCTL
TMPDIR=$T timeout 220 "$TOP/scripts/matrix" --json --limit 40 "${words[@]}" >"$T/matrix.log" 2>"$T/matrix.err"
is "the matrix is measured" $? 0
sed 's/^/# /' "$T/matrix.err"
for pair in "${pairs[@]}"; do
	cell=${pair% *}
	is "${cell/,/ and } find each other" "$(found "$cell" direct)" 1
	figure "${cell/,/ and }: $(found "$cell" ms) ms, $(found "$cell" probes) datagrams, by $(found "$cell" plans)"
done
is "two random NATs stay on the relay" "$(found symmetric-random,linux-random direct)" 0
