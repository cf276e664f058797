// The relay at a glance. Everything that comes from the relay is put in as text, never as HTML.
"use strict";

const STATE_MS = 1000;
const SLOW_MS = 10000; // while the page is not seen
const HISTORY_MS = 5000;
const METRICS_MS = 2000;
const RESOLVE_TRIES = 10; // while a next hop is being asked for

const $ = (id) => document.getElementById(id);

/* Elements and words ****************************************************************************/

function el(tag, attributes, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes || {}))
		element.setAttribute(name, value);
	element.append(...children);
	return element;
}

function svg(tag, attributes, text) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const [name, value] of Object.entries(attributes))
		element.setAttribute(name, value);
	if (text !== undefined)
		element.textContent = text;
	return element;
}

// Changes what is different, so that nothing flickers and nothing is told twice.
function say(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

function digits(value) {
	return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function scaled(value, units) {
	let unit = 0;
	while (value >= 999.5 && unit < units.length - 1) {
		value /= 1000;
		unit++;
	}
	return [unit ? digits(value) : value.toFixed(0), units[unit]];
}

const bitrate = (bytes) => scaled(bytes * 8, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);
const count = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
const percent = (part, whole) =>
	!part ? "0\u00a0%" : part / whole < 0.0005 ? "<\u202f0.1\u00a0%" : (100 * part / whole).toFixed(1) + "\u00a0%";
const clock = (ms, seconds) => new Date(ms).toLocaleTimeString([], {
	hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hour12: false });
const lostOf = (stream) => stream.refused + (stream.limited || 0); // at the relay

function duration(s) {
	const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	const at = Math.max(0, parts.findIndex(([size]) => s >= size));
	if (s < 1)
		return "0 s";
	const [size, unit] = parts[at];
	const rest = at < 3 ? Math.floor(s % size / parts[at + 1][0]) : 0;
	return Math.floor(s / size) + " " + unit + (rest ? " " + rest + " " + parts[at + 1][1] : "");
}

/* What the exporter says ************************************************************************/

async function fetchText(path, accept) {
	const response = await fetch(path, { headers: { Accept: accept }, cache: "no-store" });
	if (response.status === 401) {
		location.replace("/login");
		return new Promise(() => {}); // the page is going
	}
	if (!response.ok)
		throw new Error(response.status + " " + response.statusText);
	return response.text();
}

// Again and again, the next time `ms` after the last answer; what it returns does it now.
function every(ms, work) {
	let timer = 0, busy = false;
	async function turn() {
		clearTimeout(timer);
		if (busy)
			return;
		busy = true;
		try {
			await work();
		} finally {
			busy = false;
			timer = setTimeout(turn, document.hidden ? Math.max(ms, SLOW_MS) : ms);
		}
	}
	document.addEventListener("visibilitychange", () => document.hidden || turn());
	turn();
	return turn;
}

/* Charts ****************************************************************************************/

// 1, 2 or 5 times a power of ten, the next one from value on.
function nice(value) {
	const power = 10 ** Math.floor(Math.log10(value));
	return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value);
}

let minutes = 60; // that charts show
// Where in a chart things are: the rate between TOP and BOTTOM, what was lost between LOST_TOP and LOST_BOTTOM.
const TOP = 10, BOTTOM = 138, LOST_TOP = 154, LOST_BOTTOM = 190, HEIGHT = 210;
const LEAST_LOSS = 0.01; // that the scale of the loss ends at: less should look like less

class Chart {
	constructor(box, label) {
		this.box = box;
		this.history = null;
		this.at = null; // the step that the cursor is at
		this.picture = svg("svg", { role: "img", tabindex: "0", "aria-label": label });
		this.reading = el("p");
		box.replaceChildren(this.picture, this.reading);
		this.picture.addEventListener("pointermove", (event) => this.point(event));
		this.picture.addEventListener("pointerleave", () => this.move(null));
		this.picture.addEventListener("blur", () => this.move(null));
		this.picture.addEventListener("keydown", (event) => this.key(event));
		new ResizeObserver(() => this.draw()).observe(box);
	}

	show(whole) {
		this.whole = whole;
		this.time = Date.now();
		this.cut();
	}

	// What of the hour is wanted.
	cut() {
		if (!this.whole)
			return;
		const steps = Math.floor(minutes * 60 / this.whole.step);
		const { step, bytes, packets, lost } = this.whole;
		this.history = { step, bytes: bytes.slice(-steps), packets: packets.slice(-steps),
			lost: lost.slice(-steps) };
		if (this.at >= this.history.bytes.length)
			this.at = null;
		this.draw();
	}

	point(event) {
		const box = this.picture.getBoundingClientRect();
		this.move((event.clientX - box.left - this.left) / this.width);
	}

	move(share) {
		const steps = this.history ? this.history.bytes.length : 0;
		this.at = share === null || !steps ? null
			: Math.min(steps - 1, Math.max(0, Math.round(share * (steps - 1))));
		this.draw();
	}

	key(event) {
		const steps = this.history ? this.history.bytes.length : 0;
		const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -60, PageDown: 60 }[event.key];
		if (!by || !steps)
			return;
		event.preventDefault();
		event.stopPropagation();
		this.move(((this.at ?? steps - 1 - by) + by) / (steps - 1));
	}

	// Rate above, the share that was lost below, each on a scale of its own.
	draw() {
		const width = this.box.clientWidth;
		if (!this.history || !width)
			return;
		const { bytes, packets, lost, step } = this.history;
		const rates = bytes.map((n) => n === null ? null : n / step);
		const shares = lost.map((n, i) => n ? n / (n + packets[i]) : 0);
		const top = nice(Math.max(125, ...rates)), most = nice(Math.max(LEAST_LOSS, ...shares));
		this.left = 58;
		this.width = width - this.left - 8;
		const x = (i) => this.left + this.width * i / (bytes.length - 1);
		const y = (rate) => BOTTOM - (BOTTOM - TOP) * rate / top;
		this.picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
		this.picture.setAttribute("height", HEIGHT);
		this.picture.replaceChildren(...this.grid(top, most, y, width),
			...this.lines(rates, x, y), this.lost(shares, most, x));
		if (this.at !== null)
			this.picture.append(svg("line", { class: "cursor", x1: x(this.at), x2: x(this.at),
				y1: TOP, y2: LOST_BOTTOM }));
		this.read(rates);
	}

	grid(top, most, y, width) {
		const parts = [];
		const line = (kind, y1) => svg("line", { class: kind, x1: this.left, x2: width - 8, y1, y2: y1 });
		const text = (x, y1, anchor, value) =>
			svg("text", { x, y: y1, "text-anchor": anchor }, value);
		for (const part of [1, 0.5]) {
			parts.push(line("grid", y(top * part)));
			parts.push(text(this.left - 6, y(top * part) + 4, "end", bitrate(top * part).join(" ")));
		}
		parts.push(line("axis", BOTTOM), line("grid", LOST_TOP), line("axis", LOST_BOTTOM),
			text(this.left - 6, LOST_TOP + 4, "end", +(100 * most).toPrecision(1) + "\u00a0%"),
			text(this.left - 6, (LOST_TOP + LOST_BOTTOM) / 2 + 8, "end", "lost"));
		const span = minutes * 60000, tick = (width < 520 ? 2 : 1) * Math.max(1, nice(minutes / 10)) * 60000;
		for (let ms = Math.floor(this.time / tick) * tick; ms > this.time - 0.99 * span; ms -= tick) {
			const at = this.left + this.width * (1 - (this.time - ms) / span);
			parts.push(svg("line", { class: "grid", x1: at, x2: at, y1: TOP, y2: LOST_BOTTOM }));
			parts.push(text(Math.min(at, width - 20), HEIGHT - 6, "middle", clock(ms)));
		}
		return parts;
	}

	// One line for each run of steps of which something is known.
	lines(rates, x, y) {
		let line = "", area = "", from = -1;
		rates.forEach((rate, i) => {
			if (rate === null)
				return;
			const begins = i === 0 || rates[i - 1] === null;
			const ends = i === rates.length - 1 || rates[i + 1] === null;
			const point = x(i).toFixed(1) + " " + y(rate).toFixed(1);
			from = begins ? i : from;
			line += (begins ? "M" : "L") + point;
			area += (begins ? `M${x(i).toFixed(1)} ${BOTTOM}L` : "L") + point;
			if (ends)
				area += `L${x(i).toFixed(1)} ${BOTTOM}L${x(from).toFixed(1)} ${BOTTOM}Z`;
		});
		return [svg("path", { class: "area", d: area }), svg("path", { class: "line", d: line })];
	}

	// A little is still to be seen.
	lost(shares, most, x) {
		const half = Math.max(0.6, this.width / (shares.length - 1) / 2);
		let d = "";
		shares.forEach((share, i) => {
			if (!share)
				return;
			const high = Math.max(1, (LOST_BOTTOM - LOST_TOP) * share / most).toFixed(1);
			d += `M${(x(i) - half).toFixed(1)} ${LOST_BOTTOM}v${-high}h${(2 * half).toFixed(1)}v${high}z`;
		});
		return svg("path", { class: "lost", d });
	}

	read(rates) {
		const { packets, lost, step } = this.history;
		const i = this.at;
		this.reading.setAttribute("aria-live", i === null ? "off" : "polite");
		if (i === null) {
			const sum = (list) => list.reduce((total, n) => total + (n || 0), 0);
			this.reading.replaceChildren(el("span", { class: "key" }, "rate"),
				el("span", { class: "key lost" }, "lost"), el("b", {}, count(sum(packets))),
				" packets, ", el("b", {}, percent(sum(lost), sum(packets) + sum(lost))), " lost");
			return;
		}
		const time = clock(this.time - (rates.length - i) * step * 1000, true);
		if (rates[i] === null)
			this.reading.replaceChildren(el("b", {}, time), " nothing is known of this moment");
		else
			this.reading.replaceChildren(el("b", {}, time), " ", bitrate(rates[i]).join(" "), ", ",
				count(packets[i] / step), " packets/s, lost ",
				percent(lost[i], lost[i] + packets[i]));
	}
}

function spark(recent) {
	const known = recent.filter((n) => n !== null);
	const top = Math.max(1, ...known);
	let d = "";
	recent.forEach((n, i) => {
		if (n !== null)
			d += (i === 0 || recent[i - 1] === null ? "M" : "L") + `${i * 2} ${(21 - 18 * n / top).toFixed(1)}`;
	});
	return d;
}

/* Streams ***************************************************************************************/

const rows = new Map(); // name: its row and the elements in it
const before = new Map(); // name: the last counters, when they were read, and rates out of them
let state = null, chosen = null, longest = 1; // longest: the longest consent seen

function measure(stream, time) {
	const last = before.get(stream.name);
	const now = { time, bytes: stream.bytes, packets: stream.packets, refused: stream.refused,
		limited: stream.limited || 0, rate: 0, packetRate: 0, lostRate: 0 };
	if (last && time - last.time < 0.2)
		return last;
	if (last) {
		const per = (name) => Math.max(0, now[name] - last[name]) / (time - last.time);
		now.rate = per("bytes");
		now.packetRate = per("packets");
		now.lostRate = per("refused") + per("limited");
	} else if (stream.recent.length) {
		now.rate = stream.recent[stream.recent.length - 1] || 0;
	}
	before.set(stream.name, now);
	return now;
}

function several(values) {
	const distinct = [...new Set(values.filter((value) => value !== null))];
	return distinct.length > 1 ? `${distinct[0]} +${distinct.length - 1}` : distinct[0] || "";
}

// Those that carry something: a client has another one in reserve.
const pairsOf = (stream) => stream.pairs.filter((pair) => !pair.spare);

function pathOf(stream) {
	if (stream.peers) {
		const pairs = pairsOf(stream);
		const direct = pairs.filter((pair) => pair.direct).length, relayed = pairs.length - direct;
		return [direct && `${direct} direct`, relayed && `${relayed} kernel relay`]
			.filter(Boolean).join(", ") || (stream.offers ? "waits for a peer" : "");
	}
	return stream.ports.some((port) => port.client) ? "kernel relay" : "";
}

const senders = (stream) => stream.peers ? pairsOf(stream).map((pair) => pair.client)
	: stream.ports.map((port) => port.sender);
const clients = (stream) => stream.peers ? pairsOf(stream).map((pair) => pair.service)
	: stream.ports.map((port) => port.client);

function consentOf(stream) {
	const left = stream.ports.map((port) => port.consent).filter((s) => s !== null);
	return left.length ? Math.min(...left) : null;
}

function makeRow(name) {
	const button = el("button", { type: "button", class: "name" }, name);
	const line = svg("path", {});
	const picture = svg("svg", { class: "spark", viewBox: "0 0 118 22", preserveAspectRatio: "none",
		"aria-hidden": "true" });
	const cell = (label, kind, ...children) =>
		el("td", { "data-label": label, ...(kind && { class: kind }) }, ...children);
	const bar = el("i"), gauge = el("span", { class: "gauge", "aria-hidden": "true" }, bar);
	const parts = { button, line, bar, gauge, state: el("span", { class: "state" }),
		left: el("span"), rate: cell("", "n"), lost: cell("Lost", "n"),
		path: cell("Path"), sender: cell("Sender", "mono"), client: cell("Client", "mono"),
		moves: cell("Moves", "n") };
	picture.append(line);
	parts.consent = cell("Consent", "", el("span", {}, gauge, parts.left));
	parts.tr = el("tr", {}, el("td", {}, button), el("td", {}, parts.state), el("td", {}, picture),
		parts.rate, parts.lost, parts.path, parts.sender, parts.client, parts.consent, parts.moves);
	parts.tr.addEventListener("click", () => choose(name));
	return parts;
}

function fillRow(parts, stream, now) {
	const left = consentOf(stream);
	const put = (cell, text) => {
		say(cell, text || "\u2013");
		cell.toggleAttribute("data-empty", !text);
	};
	longest = Math.max(longest, left || 0);
	say(parts.state, stream.state);
	parts.state.dataset.state = stream.state;
	parts.line.setAttribute("d", spark(stream.recent));
	say(parts.rate, bitrate(now.rate).join(" "));
	put(parts.lost, lostOf(stream) ? count(lostOf(stream)) +
		(now.lostRate >= 0.5 ? `, ${count(now.lostRate)}/s now` : "") : "");
	parts.lost.classList.toggle("bad", now.lostRate >= 0.5);
	put(parts.path, pathOf(stream));
	put(parts.sender, several(senders(stream)));
	put(parts.client, several(clients(stream)));
	put(parts.moves, stream.moves ? count(stream.moves) : "");
	say(parts.left, left === null ? "\u2013" : left.toFixed(0) + " s");
	parts.consent.toggleAttribute("data-empty", left === null);
	parts.gauge.hidden = left === null;
	parts.gauge.classList.toggle("low", left !== null && left < longest / 4);
	parts.bar.style.width = left === null ? "0" : Math.min(100, 100 * left / longest) + "%";
	if (chosen === stream.name)
		parts.tr.setAttribute("aria-current", "true");
	else
		parts.tr.removeAttribute("aria-current");
}

function matches(stream, wanted) {
	const text = [stream.name, stream.state, stream.listen, pathOf(stream), ...senders(stream),
		...clients(stream)].join(" ").toLowerCase();
	return wanted.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function showStreams(measured) {
	const body = $("table").tBodies[0], wanted = $("filter").value.trim();
	const shown = state.streams.filter((stream) => matches(stream, wanted));
	const names = new Set(state.streams.map((stream) => stream.name));
	for (const [name, parts] of rows)
		if (!names.has(name)) {
			parts.tr.remove();
			rows.delete(name);
			before.delete(name);
		}
	state.streams.forEach((stream) => {
		if (!rows.has(stream.name))
			rows.set(stream.name, makeRow(stream.name));
		fillRow(rows.get(stream.name), stream, measured.get(stream.name));
	});
	const wantedRows = new Set(shown.map((stream) => rows.get(stream.name).tr));
	[...body.rows].forEach((tr) => wantedRows.has(tr) || tr.remove());
	let at = body.firstElementChild;
	for (const tr of wantedRows)
		if (tr === at)
			at = at.nextElementSibling;
		else
			body.insertBefore(tr, at);
	const all = state.streams.length + state.left_out;
	say($("count"), shown.length < all ? `${count(shown.length)} of ${count(all)}` : count(all));
	$("table").hidden = !shown.length;
	$("none").hidden = shown.length > 0 && !state.left_out;
	say($("none"), state.left_out ? `${count(state.left_out)} more streams are not shown here; punchctl list has them all.`
		: state.streams.length ? "No stream matches."
		: state.age === null ? "Nothing is known yet."
		: "There is no stream. `punchctl add NAME --listen PORT` makes one.");
}

/* The relay *************************************************************************************/

let metrics = new Map(); // name: [{labels: {label: text}, value}]

const metric = (name) => metrics.get(name)?.[0]?.value ?? null;

// "3 h" and, smaller, "12 min"
function upWords(s) {
	const [n, unit, ...rest] = s === null ? ["\u2013", ""] : duration(s).split(" ");
	return [n, [unit, ...rest].join(" ")];
}

function showTiles(measured) {
	const sum = (name) => [...measured.values()].reduce((total, now) => total + now[name], 0);
	const states = { live: 0, ready: 0, waiting: 0, stale: 0, "over-quota": 0 };
	const pairs = state.streams.flatMap(pairsOf);
	const direct = pairs.filter((pair) => pair.direct).length;
	state.streams.forEach((stream) => states[stream.state]++);
	if (state.left_out)
		(metrics.get("relayd_streams") || []).forEach(({ labels, value }) => states[labels.state] = value);
	$("part").hidden = !state.left_out;
	say($("part"), `Rate, packets, loss and peers are those of the first ${count(state.streams.length)} streams by name, here and in the chart.`);
	const lost = sum("lostRate"), packets = sum("packetRate"), uptime = metric("relayd_uptime_seconds");
	const tiles = [...Object.entries(states).map(([name, n]) => [name, count(n), ""]),
		["rate", ...bitrate(sum("rate"))], ["packets", count(packets), "/s"],
		["lost", ...percent(lost, lost + packets).split("\u00a0")],
		["peers, direct", `${direct}`, `of ${pairs.length}`],
		["up", ...upWords(uptime)]];
	const list = $("tiles");
	tiles.forEach(([name, value, unit], i) => {
		if (!list.children[i])
			list.append(el("div", {}, el("dt", {}, name), el("dd", { "data-tile": name })));
		const dd = list.children[i].lastChild;
		if (dd.dataset.is === value + unit)
			return;
		dd.dataset.is = value + unit;
		dd.replaceChildren(value, ...(unit ? [" ", el("small", {}, unit)] : []));
	});
}

function showLink() {
	const link = $("link"), banner = $("banner"), now = Date.now();
	$("leave").hidden = !state.token;
	const since = clock(now - state.since * 1000, true);
	link.dataset.state = state.up ? "up" : "down";
	say(link, state.up ? `relayd answers since ${since}` : "no answer from relayd");
	banner.hidden = state.up;
	say(banner, state.up ? "" : `${state.error}, since ${since}. ` + (state.age === null ? ""
		: `What is shown is from ${clock(now - state.age * 1000, true)}; streams flow on in the kernel until their consent ends.`));
}

function showUnreachable() {
	const banner = $("banner");
	$("link").dataset.state = "down";
	say($("link"), "no answer from relayd-exporter");
	banner.hidden = false;
	if (!banner.textContent.startsWith("relayd-exporter"))
		say(banner, `relayd-exporter does not answer, since ${clock(Date.now(), true)}. It is asked again and again.`);
}

function parseMetrics(text) {
	const found = new Map();
	for (const line of text.split("\n")) {
		const sample = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line);
		if (!sample)
			continue;
		const labels = Object.fromEntries([...(sample[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
			.map(([, name, text]) => [name, text]));
		if (!found.has(sample[1]))
			found.set(sample[1], []);
		found.get(sample[1]).push({ labels, value: Number(sample[3]) });
	}
	return found;
}

// What did its work is no refusal, nor is what every client meets: a nonce that has to be new.
const FINE = ["accepted", "repeated", "binding", "challenged", "stale_nonce", "raw", "partner", "peer", "seen",
	"paired", "direct"];
// What counters and troubles are called, in words.
const PUNCHES = {
	not_request: "STUN, but no request",
	malformed: "not STUN",
	unpadded: "short, and too many of them",
	incomplete: "without user, realm or nonce",
	unknown_user: "no such stream",
	wrong_key: "wrong key",
	replayed: "an old punch, sent again",
	forbidden: "from where clients may not be",
	claimed: "the client has another port",
	unknown_attribute: "asks for what is not known here",
	failed: "the kernel refused it",
	busy: "a peer, and no room for it",
	draining: "somebody new, while draining",
	full: "more clients than max-clients",
	over_quota: "quota used up",
};
const PEERS = {
	failed: "a direct path was not found",
	hopeless: "stay on the kernel relay",
	crowded: "more than the stream may have",
	hasty: "too many new ones in a second",
	full: "no room for any more peers",
	draining: "somebody new, while draining",
	foreign: "not theirs to use",
	unserved: "no service was there",
	unheard: "one of two was gone",
};
const TROUBLES = {
	conntrack_full: "The kernel's table of connections is full: new senders may not be let in",
	set_full: "A set of the kernel's table is full: somebody new is not let in",
	netlink_buffer: "A socket's buffer is too small for what relayd and the kernel tell each other",
	kernel_memory: "The kernel has no memory for a change: somebody new is not let in",
	no_descriptors: "relayd has no descriptors left: punchctl is not served",
	database: "The database cannot be written: streams are neither added nor removed",
	clock_set: "The clock of the host was set",
	clients_full: "There are as many clients as max-clients allows: nobody new is let in",
	rate_full: "All streams together have as much as max-rate allows: what is more is dropped",
	advertise: "The relay is seen under another address than it tells the clients",
};

function showSeen() {
	say($("seen"), (metrics.get("relayd_seen_info") || []).map(({ labels: { address, seen, by } }) =>
		`${address} is seen as ${seen} (${by}).`).join(" "));
}

// What is wrong just now; it goes by itself.
function showTroubles() {
	const now = (metrics.get("relayd_trouble") || []).filter(({ value }) => value > 0)
		.map(({ labels: { trouble } }) => `${TROUBLES[trouble] || trouble} (${trouble}).`);
	if (metric("relayd_draining"))
		now.unshift(`The relay drains: nobody new is let in. Ports that still have a client: ${count(metric("relayd_holes"))}.`);
	const box = $("troubles");
	box.hidden = !now.length;
	if (box.dataset.is !== now.join())
		box.replaceChildren(...now.map((text) => el("p", {}, text)));
	box.dataset.is = now.join();
}

// The largest eight of [words, value].
function causeList(title, samples) {
	const top = samples.filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]).slice(0, 8);
	const list = el("ol");
	for (const [text, value] of top) {
		const bar = el("i");
		bar.style.width = 100 * value / top[0][1] + "%";
		list.append(el("li", {}, text, el("span", {}, bar), count(value)));
	}
	return el("div", {}, el("h3", {}, title), top.length ? list : el("p", { class: "quiet" }, "none"));
}

// Those of streams are of the same answer as the table.
function showCauses() {
	const worded = (name, label, texts) => (metrics.get(name) || [])
		.filter(({ labels }) => !FINE.includes(labels[label]))
		.map(({ labels, value }) => [texts[labels[label]] || labels[label].replaceAll("_", " "), value]);
	const single = (text, name) => [text, metric(name) || 0];
	const streams = state?.streams || [];
	$("causes").replaceChildren(
		causeList("Packets that a stream refused",
			streams.map(({ name, refused }) => [name, refused])),
		causeList("Packets beyond a limit",
			[...streams.map(({ name, limited }) => [`rate of ${name}`, limited || 0]),
				single("max-rate, of all streams", "relayd_max_rate_dropped_packets_total")]),
		causeList("Punches", worded("relayd_punches_total", "result", PUNCHES)),
		causeList("Peers and their searches", worded("relayd_peers_total", "result", PEERS)),
		causeList("What the host ran out of", worded("relayd_troubles_total", "trouble", {})),
		causeList("Control socket and this page", [
			single("control: no permission", "relayd_control_denied_total"),
			single("control: too many", "relayd_control_crowded_total"),
			single("control: did not read", "relayd_control_unread_total"),
			single("page: no token", "relayd_exporter_unauthorized_total"),
			single("page: too busy", "relayd_exporter_busy_total")]));
}

/* One stream ************************************************************************************/

let streamChart = null;

function choose(name, keep) {
	chosen = name;
	window.history.replaceState(null, "", name ? "#=" + encodeURIComponent(name) : location.pathname);
	$("detail").hidden = !name;
	$("stream-chart").replaceChildren();
	streamChart = null;
	if (!name) {
		refresh();
		return;
	}
	say($("detail-title"), name);
	$("explain").replaceChildren();
	say($("verdict"), "");
	streamChart = new Chart($("stream-chart"), `Rate of ${name} and what of it was lost, last hour`);
	if (!keep) {
		$("detail").scrollIntoView({ block: "start" });
		$("detail-title").focus({ preventScroll: true });
	}
	refresh();
	refreshHistory();
	explain(name);
}

// "#=cam1": other fragments are places of the page.
function chooseHash() {
	if (location.hash.startsWith("#="))
		choose(decodeURIComponent(location.hash.slice(2)), true);
}

function close() {
	const name = chosen;
	choose(null);
	rows.get(name)?.button.focus();
}

function table(caption, heads, lines) {
	return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
		el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
			el("tbody", {}, ...lines.map((line) => el("tr", {}, ...line.map((value, i) =>
				el("td", i < 3 ? { class: "mono" } : {}, value ?? "\u2013")))))));
}

function replace(box, child) {
	// Whoever is reading it with the keyboard stays there.
	if (box.contains(document.activeElement))
		return;
	box.replaceChildren(...child);
}

function showDetail() {
	const stream = state.streams.find(({ name }) => name === chosen);
	if (!chosen)
		return;
	if (!stream) {
		$("facts").replaceChildren(el("p", { class: "quiet" }, "There is no such stream any more."));
		$("ports").replaceChildren();
		$("pairs").replaceChildren();
		return;
	}
	const facts = [["state", stream.state], ["listen", stream.listen], ["source", stream.source],
		["clients", stream.clients], ["origin", stream.origin], ["engine", stream.engine],
		["limit", stream.rate ? bitrate(stream.rate).join(" ") : "none"],
		["moves", count(stream.moves)], ["refused", count(stream.refused) + " packets"],
		["over its limit", stream.limited ? count(stream.limited) + " packets" : ""],
		...(stream.peers ? [["peers", `${stream.pairs.length} of ${stream.peers}`], ["offers", stream.offers],
			["turned away", stream.turned_away]] : [])];
	$("facts").replaceChildren(...facts.filter(([, value]) => value !== "").map(([name, value]) =>
		el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
	replace($("ports"), !stream.ports.length ? [] : [table("Ports",
		["Listen", "Sender", "Client", "State", "Consent", "Packets", "Bytes", "Rate", "Idle"],
		stream.ports.map((port) => [port.listen, port.sender, port.client, port.state,
			port.consent === null ? null : port.consent.toFixed(0) + " s", count(port.packets),
			count(port.bytes), bitrate(port.rate).join(" "),
			port.idle === null ? null : duration(port.idle)]))]);
	replace($("pairs"), !stream.pairs.length ? [] : [table("Peers",
		["Client", "Service", "NATs", "Path", "Found by", "Since"],
		stream.pairs.map((pair) => [pair.client, pair.service,
			`${pair.client_nat.mapping} / ${pair.service_nat.mapping}`,
			(pair.direct ? "direct" : "kernel relay") + (pair.spare ? ", in reserve" : ""), pair.plan,
			duration(pair.since)]))]);
}

function explainPath(path) {
	const list = el("ol", {}, ...path.steps.map((step) => el("li", { "data-state": step.state },
		el("strong", {}, step.state), el("span", { class: "quiet" }, step.step), el("span", {}, step.text))));
	return el("div", { class: "path" }, el("p", {}, el("span", { class: "mono" },
		`${path.sender || "a sender"} → ${path.listen} → ${path.client || "a client"}: `),
		path.arrives ? "would arrive" : `would not arrive, see ${path.cause}`), list);
}

async function explain(name) {
	const query = "/api/explain?stream=" + encodeURIComponent(name);
	const box = $("explain");
	box.setAttribute("aria-busy", "true");
	for (let i = 0; i < RESOLVE_TRIES && chosen === name; i++) {
		const text = await ask(query + (i ? "&again=1" : ""));
		const answer = text === null ? { ok: false, error: "relayd-exporter does not answer" } : JSON.parse(text);
		if (chosen !== name)
			return;
		showExplain(answer);
		const pending = answer.ok && answer.paths.some((path) => path.steps.some((step) =>
			step.step === "neighbour" && step.state === "waiting"));
		if (!pending)
			break;
		await new Promise((done) => setTimeout(done, 300));
	}
	box.removeAttribute("aria-busy");
}

function showExplain(answer) {
	const box = $("explain"), verdict = $("verdict");
	verdict.classList.toggle("bad", !answer.arrives);
	if (!answer.ok) {
		say(verdict, "");
		box.replaceChildren(el("p", { class: "quiet" }, answer.error));
		return;
	}
	say(verdict, answer.arrives ? "Yes." : answer.paths.some((path) => path.arrives) ? "Not on every port." : "No.");
	box.replaceChildren(...answer.paths.map(explainPath));
	if (!answer.paths.length)
		box.append(el("p", { class: "quiet" }, answer.peers
			? `Nobody is paired; ${answer.offers} services wait for a client.` : "It has no port."));
	if (answer.left_out)
		box.append(el("p", { class: "quiet" }, `${answer.left_out} more ports and addresses are left out; punchctl explain ${answer.name} --port PORT has them.`));
}

/* The keyboard **********************************************************************************/

function step(by) {
	const buttons = [...$("table").tBodies[0].rows].map((tr) => tr.querySelector("button"));
	const at = buttons.indexOf(document.activeElement);
	const next = at < 0 ? (by > 0 ? 0 : buttons.length - 1) : at + by;
	buttons[Math.min(buttons.length - 1, Math.max(0, next))]?.focus();
}

document.addEventListener("keydown", (event) => {
	if (event.ctrlKey || event.altKey || event.metaKey)
		return;
	const typing = event.target === $("filter");
	if (event.key === "/" && !typing) {
		event.preventDefault();
		$("filter").focus();
	} else if (event.key === "Escape") {
		if (typing && $("filter").value) {
			$("filter").value = "";
			refresh();
		} else if (chosen) {
			close();
		}
	} else if ((event.key === "ArrowDown" || event.key === "ArrowUp") &&
		(typing || $("table").contains(document.activeElement))) {
		event.preventDefault();
		step(event.key === "ArrowDown" ? 1 : -1);
	}
});

/* Turning ***************************************************************************************/

const totalChart = new Chart($("total"), "Rate through the relay and what of it was lost, last hour");

function refresh() {
	if (!state)
		return;
	const time = state.received - (state.age || 0);
	const measured = new Map(state.streams.map((stream) => [stream.name, measure(stream, time)]));
	showLink();
	showTiles(measured);
	showStreams(measured);
	showCauses();
	showDetail();
}

// Its answer, or null when there is none.
async function ask(path, accept) {
	try {
		return await fetchText(path, accept || "application/json");
	} catch (error) {
		showUnreachable();
		return null;
	}
}

async function takeState() {
	const text = await ask("/api/state");
	if (text === null)
		return;
	state = JSON.parse(text);
	state.received = performance.now() / 1000;
	refresh();
}

async function takeHistory() {
	const name = chosen, text = await ask("/api/history");
	if (text !== null)
		totalChart.show(JSON.parse(text));
	if (text === null || !name)
		return;
	const own = JSON.parse(await ask("/api/history?stream=" + encodeURIComponent(name)));
	if (own?.ok && name === chosen)
		streamChart.show(own);
}

async function takeMetrics() {
	const text = await ask("/metrics", "application/openmetrics-text");
	if (text === null)
		return;
	metrics = parseMetrics(text);
	say($("version"), metrics.get("relayd_build_info")?.[0].labels.version || "");
	showSeen();
	showTroubles();
	showCauses();
}

$("filter").addEventListener("input", refresh);
$("spans").addEventListener("change", (event) => {
	minutes = Number(event.target.value);
	totalChart.cut();
	streamChart?.cut();
});
$("close").addEventListener("click", close);
$("again").addEventListener("click", () => explain(chosen));
window.addEventListener("hashchange", chooseHash);
every(METRICS_MS, takeMetrics);
every(STATE_MS, takeState);
const refreshHistory = every(HISTORY_MS, takeHistory);
chooseHash();
