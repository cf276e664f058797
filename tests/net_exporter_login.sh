#!/usr/bin/env bash
# The exporter's page behind a token, in a real browser: the way in and out, and a relay that has more
# streams than the page has lines.
#
#   relay (relayd, relayd-exporter, chromedriver, Chromium)
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/browser.sh"

browser_needed
plan 11

lab_up
relayd_conf
stream_conf cam1 'listen = "9099"' 'source = "any"'
printf 'many%04d --listen 10000\n' {1..1001} | awk '{ $3 += NR; print }' >"$T/many"
echo 'correct-horse-battery' >"$T/token"
chmod 600 "$T/token"
ok "relayd starts" relayd_start
ok "the exporter starts" exporter_start --token-file "$T/token"
ok "a browser starts" browser_start

web go "$URL"
ok "the page asks for the token" until_js 'location.pathname === "/login"'
web type wrong-horse-battery Enter
ok "a wrong one is no way in" until_js "document.querySelector('#wrong')?.checkVisibility()"
web type Tab correct-horse-battery Enter
ok "the right one is" row cam1 waiting
is "nothing is said to be left out" "$(web js "document.querySelector('#part').hidden")" true

pctl add --batch "$T/many" >"$T/added"
ok "of more than a thousand streams the states are those of all" until_js \
	"document.querySelector('[data-tile=waiting]').innerText.replace(/\\D/g, '') === '1002'"
ok "what else is of the first thousand, and says so" until_js "document.querySelector('#part').checkVisibility() &&
	document.querySelectorAll('#table tbody tr').length === 1000"

web js 'document.querySelector("#leave button").focus()' >/dev/null
web type Enter
ok "there is a way out" until_js 'location.pathname === "/login"'
web go "$URL"
ok "which was for good" until_js 'location.pathname === "/login"'
web close
