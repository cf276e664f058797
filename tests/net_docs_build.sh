#!/usr/bin/env bash
# README.md: what it says of building by hand, and of an installation without a package, is run as it
# stands there, in a Debian that has what scripts/setup says and no more. A whole build takes minutes.
#
#   here (a machine with systemd, and this tree as it was fetched) --- net
# check: timeout 900
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/machine.sh"
. "$TOP/tests/docs.sh"
# shellcheck disable=SC2034
DOCS_LIMIT=800
DOCS_ENV+=(MAKEFLAGS=-j2)

machine_needed "a build by hand"
plan 5

host_up net && forwarding_on net && public_host here eth0 "$RELAY4" || bail "no network"
ok "a machine boots" docs_machine here
ok "it has the tree, and nothing that was built" docs_fetched
ok "Building" docs_run README.md "Building" ||
	note "$(docs_root here grep -E ':[EF]:|^FAIL' "$TOP/build/test-suite.log")"
ok "Without a package" docs_run README.md "Without a package"
is "relayd runs, and will after a boot" \
	"$(docs_root here systemctl show -P ActiveState -P UnitFileState relayd | xargs)" "active enabled"
