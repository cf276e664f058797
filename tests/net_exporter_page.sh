#!/usr/bin/env bash
# The exporter's page in a real browser: it follows a stream that starts, roams and stops, says what is
# wrong, survives relayd's death, is used by the keyboard alone, can be read in the dark and at any
# width, asks nobody else for anything, and says nothing on the console.
#
#   sender --- net --- nat --- client
#               |
#             relay (relayd, relayd-exporter, chromedriver, Chromium)
#
# PAGE_SHOTS=FOLDER keeps the pictures there, and of which page they are; PAGE_SHOTS_AFTER=SECONDS lets
# the stream flow so long before: 400 for light, dark and phone in docs/.
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/browser.sh"

browser_needed
plan 45

SHOTS=${PAGE_SHOTS:-$T}

send() { # RATE
	start sender send "$UDPTOOL" send --from "$SENDER4:7000" --to "$RELAY4:9099" --count 1000000 --rate "$1"
}

# For the pictures: a stream whose rate changes.
flow() { # SECONDS
	local part
	for part in {1..9}; do
		stop send
		send $((120 + part * 97 % 160))
		sleep $(($1 / 9))
	done
}

# What the loss chart makes of so many lost of 10000 packets: the end of its scale, and the bar's height.
loss_drawn() { # LOST
	web js "(totalChart.show({ step: 5, bytes: [1, 1, 1], packets: [1, 10000 - $1, 1], lost: [0, $1, 0] }),
		[...document.querySelectorAll('#total text')].find((t) => t.textContent.includes('%')).textContent.replace('\u00a0', '') + ' ' +
		/v-([^h]*)/.exec(document.querySelector('#total .lost').getAttribute('d'))[1])"
}

widths_that_overflow() {
	local width kind=phone
	for width in 320 390 820 1000 1201 1280; do
		[ $width -lt 400 ] || kind=
		web screen $width 900 light ${kind:+"$kind"}
		web until "$(seconds 5)" "innerWidth >= $width && document.documentElement.scrollWidth <= $width" >/dev/null ||
			echo "$width"
	done
}

# What has the keyboard: its id, or its text.
focused="(document.activeElement.id || document.activeElement.textContent.trim())"

# The least contrast of a text with what is behind it, by WCAG 2.
contrast='(() => {
	const numbers = (color) => color.match(/[\d.]+/g).map(Number);
	const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
		.map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		const [r, g, b, a] = numbers(getComputedStyle(e).backgroundColor).concat(1);
		if (a === 1 || !e.parentElement) return [r, g, b];
		return behind(e.parentElement).map((v, i) => v * (1 - a) + [r, g, b][i] * a);
	};
	const texts = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() &&
		[...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
	return Math.min(...texts.map((e) => {
		const style = getComputedStyle(e), svg = e instanceof SVGElement;
		const [a, b] = [light(numbers(svg ? style.fill : style.color)), light(behind(e))];
		return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
	}));
})()'

# Has doorbell as many refused packets in the table as below it?
refused_twice="(() => {
	const inRow = [...document.querySelectorAll('#table tbody tr')].find((tr) => tr.innerText.includes('doorbell')).cells[4];
	const below = [...document.querySelectorAll('#causes li')].find((li) => li.innerText.includes('doorbell'));
	return inRow.innerText.split(',')[0] === below.lastChild.textContent;
})()"

wordless="[['punches', PUNCHES], ['peers', PEERS]].flatMap(([name, texts]) =>
	metrics.get('relayd_' + name + '_total').map(({ labels }) => labels.result)
		.filter((result) => !texts[result] && !FINE.includes(result)))
	.concat(metrics.get('relayd_trouble').map(({ labels }) => labels.trouble).filter((name) => !TROUBLES[name]))"

seen="(metrics = parseMetrics('relayd_seen_info{address=\"203.0.113.7\",seen=\"192.0.2.1\",by=\"cloud\"} 1\\n'),
	showSeen(), document.querySelector('#seen').innerText)"

page_sums() {
	(cd "$TOP" && sha256sum exporter/page/index.html exporter/page/page.js exporter/page/style.css)
}

silent() {
	web console >"$T/console" && [ ! -s "$T/console" ] || { cat "$T/console" && false; }
}

reload_with() { # CONFIGURATION-LINE...
	printf '%s\n' "$@" | cat - "$T/plain.conf" >"$T/relayd.conf"
	pctl reload >"$T/reload"
}

troubles_say() { # TEXT
	until_js "!document.querySelector('#troubles').hidden && document.querySelector('#troubles').innerText.includes('$1')"
}

picture() { # NAME WIDTH HEIGHT SCHEME [phone]
	web screen "${@:2}" && until_js 'innerWidth > 0' && web shot "$SHOTS/exporter-$1.png" &&
		[ "$(head -c 8 "$SHOTS/exporter-$1.png" | tail -c 7 | head -c 3)" = PNG ]
}

lab_up
relayd_conf 'consent = 10'
stream_conf cam1 'listen = "9099-9100"' "source = \"$SENDER4\""
stream_conf doorbell 'listen = "9200"' 'source = "192.0.2.77"'
stream_conf game 'peers = 8'
cp -p "$T/relayd.conf" "$T/plain.conf"
ok "relayd starts" relayd_start
ok "the exporter starts" exporter_start
ok "a browser starts" browser_start
ok "the page opens" web go "$URL"
ok "it has the streams" row cam1 waiting
ok "and says that relayd answers" until_js "document.querySelector('#link').dataset.state === 'up'"

start client punch "$PUNCHCTL" punch "cam1@$RELAY4" --key-file "$T/cam1.key" --port 5004 --to 9099
ok "a client punches" row cam1 ready
send 200
start sender stranger "$UDPTOOL" send --from "$SENDER4:7001" --to "$RELAY4:9200" --count 1000000 --rate 10
ok "the stream starts" row cam1 live
ok "the page names its sender" row cam1 "$SENDER4:7000"
ok "and its rate" row cam1 kbit/s
ok "packets of a stranger are counted as refused, by stream" \
	until_js "document.querySelector('#causes').innerText.includes('doorbell')"
is "as many as in the table" "$(web js "$refused_twice")" true
start client serve "$PUNCHCTL" serve "game@$RELAY4" --key-file "$T/game.key" --to 127.0.0.1:7777
start sender connect "$PUNCHCTL" connect "game@$RELAY4" --key-file "$T/game.key" --listen 127.0.0.1:7777
start sender player "$UDPTOOL" send --from 127.0.0.1:7000 --to 127.0.0.1:7777 --count 1000000 --rate 20
ok "two peers find each other" row game '1 direct'
ok "and what they have in reserve is no other path" \
	until_js "!document.querySelector('#table').innerText.includes('1 kernel')"
ok "every result that is counted has a word" until_js "metrics.size && !($wordless).length"
is "how the relay is seen is told" "$(web js "$seen")" "203.0.113.7 is seen as 192.0.2.1 (cloud)."
client_is="[...document.querySelectorAll('#table tbody tr')].find((tr) => tr.innerText.includes('cam1')).cells[7].innerText"
old=$(web js "$client_is")
nat_forget
ok "the client roams" until_js "$client_is !== '$old' && $client_is.startsWith('$NAT4')"
ok "that is counted" until_js "document.querySelector('#table tbody tr').cells[9].innerText !== '–'"
is "of the loss one sees how much it is: 0.05 %" "$(loss_drawn 5)" "1% 1.8"
is "5 %" "$(loss_drawn 500)" "5% 36"
is "and all" "$(loss_drawn 10000)" "100% 36"
ok "the chart has the rate" until_js "document.querySelector('#total .line').getAttribute('d').includes('L')"

# What is wrong now.
is "nothing is said to be wrong" "$(web js "document.querySelector('#troubles').hidden")" true
pctl drain --no-wait >"$T/drain"
ok "a relay that drains is told" troubles_say drains
pctl drain --off >"$T/drain"
ok "and it goes by itself" until_js "document.querySelector('#troubles').hidden"

# The keyboard alone.
web type Tab
is "the first Tab leads past the head of the page" "$(web js "$focused")" "To the streams"
web type /
is "/ leads to the filter" "$(web js "$focused")" filter
web type cam
ok "which filters" until_js "document.querySelectorAll('#table tbody tr').length === 1"
web type ArrowDown Enter
ok "a stream is opened, and explained" until_js "document.querySelectorAll('#explain li').length > 4"
is "and has the keyboard" "$(web js "$focused")" detail-title
ok "it has its chart" until_js "document.querySelector('#stream-chart .line')?.getAttribute('d').includes('L')"
web js 'document.querySelector("#spans input").click()' >/dev/null
ok "which can be of five minutes" \
	until_js "document.querySelector('#total').innerText.includes('packets') && totalChart.history.bytes.length === 60"
web js 'document.querySelectorAll("#spans input")[1].click()' >/dev/null
[ -z "${PAGE_SHOTS_AFTER-}" ] || flow "$PAGE_SHOTS_AFTER"
web js 'scrollTo(0, 0)' >/dev/null
picture detail 1280 1700 light >/dev/null
web type Escape
is "Escape leads back to it" "$(web js "$focused")" cam1
web js "(document.querySelector('#filter').value = '', document.querySelector('#filter').dispatchEvent(new Event('input')))" \
	>/dev/null
web js 'document.activeElement.blur()' >/dev/null

# Light, dark, narrow.
ok "a picture of the page" picture light 1280 900 light
light=$(web js "$contrast")
ok "one in the dark" picture dark 1280 900 dark
dark=$(web js "$contrast")
figure "least contrast, light and dark: $light $dark"
ok "all text has a contrast of 4.5 or more" awk -v a="$light" -v b="$dark" 'BEGIN { exit !(a >= 4.5 && b >= 4.5) }'
picture phone 390 844 light phone >/dev/null
[ "$SHOTS" = "$T" ] || page_sums >"$SHOTS/exporter.sum"
long=$(printf 'long-name%.0s' {1..7})
pctl add "$long" --listen 9300 >"$T/long"
row "$long" waiting >"$T/long"
is "nothing is wider than the page, whose name ever, at any width" "$(widths_that_overflow)" ""
pctl remove "$long" >"$T/long"
is "the pictures in docs/ are of this page" "$(page_sums)" "$(cat "$TOP/docs/exporter.sum")"

reload_with 'max-rate = 10000'
ok "what the host or the configuration stands in the way with is told in words" troubles_say 'as much as max-rate allows'
ok "and counted" until_js "document.querySelector('#causes').innerText.includes('max-rate')"
cp -p "$T/plain.conf" "$T/relayd.conf"

relayd_kill
ok "relayd is dead, and the page says so" \
	until_js "!document.querySelector('#banner').hidden && document.querySelector('#banner').innerText.includes('relayd')"
picture lost 1280 900 light >/dev/null
relayd_start
ok "relayd is back, and the page too" until_js "document.querySelector('#banner').hidden"
stop send
ok "the stream stops" row cam1 ready

foreign="performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('$URL')).length"
is "nobody else was asked for anything" "$(web js "$foreign")" 0
ok "and nothing was said on the console" silent
web close
