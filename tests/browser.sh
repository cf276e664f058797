# shellcheck shell=bash
# browser.sh: the exporter on the relay, and beside it a real browser for its page. Source it behind
# lib.sh; webdriver.py says what web can do.
# shellcheck disable=SC2154

EXPORTER=${EXPORTER:-$BUILD/exporter/relayd-exporter}
URL=http://127.0.0.1:9478/

browser_needed() {
	command -v chromium >/dev/null && command -v chromedriver >/dev/null && return
	plan 1
	skip "the page in a browser" "Chromium or chromedriver is not installed"
	exit
}

exporter_start() { # [OPTION...]
	start relay exporter "$EXPORTER" --socket "$T/relayd/relayd.sock" "$@"
	wait_for 5 in_ns relay curl -sf --noproxy '*' -o "$T/login" "${URL}login"
}

browser_start() {
	mkdir "$T/profile"
	start relay chromedriver env HOME="$T" chromedriver --port=9515
	wait_for 30 web open "$T/profile" && web screen 1280 900 light
}

web() { # STEP WORD...
	in_ns relay env HOME="$T" "$PYTHON" "$TOP/tests/webdriver.py" --session "$T/session" "$@"
}

until_js() { # EXPRESSION
	web until "$(seconds 20)" "$1"
}

row() { # NAME TEXT: the stream's line has it
	until_js "[...document.querySelectorAll('#table tbody tr')].some((tr) => \
		tr.innerText.includes('$1') && tr.innerText.includes('$2'))"
}
