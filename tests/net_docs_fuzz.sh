#!/usr/bin/env bash
# CONTRIBUTING.md: a fuzzer is built and run as it says. A whole build takes minutes.
#
#   here (this tree), alone
# check: timeout 900
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/docs.sh"
# shellcheck disable=SC2034
DOCS_LIMIT=800
DOCS_ENV+=(MAKEFLAGS=-j2)
plan 2

ok "there is a tree" docs_owned
ok "Fuzzers" docs_run CONTRIBUTING.md "Fuzzers"
