#!/usr/bin/env bash
# CONTRIBUTING.md, and how tests/README.md writes a scenario: what they have a developer run is run, but for
# the fuzzers, which net_docs_fuzz.sh has, and for the whole round.
#
#   here (this tree), alone
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/docs.sh"
plan 4

ok "there is a tree" docs_owned
ok "Build" docs_run CONTRIBUTING.md "Build"
ok "Test" docs_run CONTRIBUTING.md "Test"
ok "a scenario is written" docs_run tests/README.md "Writing a scenario"
