#!/usr/bin/env bash
# CONTRIBUTING.md: what it has a developer run is run, but for what every round of tests begins with.
#
#   developer, alone
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/docs.sh"
plan 1

host_up developer || bail "no network"
docs_host developer || bail "no file system"
# As much of the tree as is asked for, as if it had been fetched and built.
cp -r "$TOP"/{common,rules,relayd,share,punchctl,exporter,man,scripts} "$T/home/developer"
install -D -t "$T/home/developer/build/tests" "$BUILD/tests/check_stun"
ok "CONTRIBUTING.md" docs_run CONTRIBUTING.md
