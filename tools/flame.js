/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flame.js - flame(host, D, options): a flame graph inside the element `host`.
 *
 * D is what flame_html.c writes: the nodes of a call tree, a parent before its
 * children (`parent`, `name`), what ends at each of them by sample type (`self`,
 * `variance`), the names and their files, and the types.
 *
 * options.whole: the graph is the page, so keys are its own wherever the focus is.
 *
 * The frames are painted on a canvas; everything that it says is said in words
 * as well, in the status line, which assistive technology reads.
 */
"use strict";
function flame(host, D, options = {}) {
	const ROW = 20, LEAST_PX = 0.5, ROWS_MAX = 1200, ABOVE_MAX = 40, NAME_MAX = 400;
	const ALL = 0, SMALL = 1, K = D.types.length;

	host.classList.add("flame");
	host.innerHTML = `
<div class="bar">
<label class="field">Values <select class="type"></select></label>
<div class="turn" role="group" aria-label="Direction"><button type="button" class="down" aria-pressed="true">Callees</button><button type="button" class="up" aria-pressed="false" title="Start from the functions that allocate; what calls them is below">Callers</button></div>
<div class="find"><input type="search" class="search" placeholder="Search ( / )" aria-label="Search functions and files; a regular expression may be used" spellcheck="false" autocomplete="off" autocapitalize="off"><output class="matched" aria-live="polite"></output></div>
<button type="button" class="reset" disabled>Show all</button>
<button type="button" class="more" aria-expanded="false">Keys</button>
</div>
<p class="keys" hidden>Click a frame to zoom into it, or a wide one above to zoom out. <kbd>↑</kbd> <kbd>↓</kbd> <kbd>←</kbd> <kbd>→</kbd> choose a frame, <kbd>Enter</kbd> zooms, <kbd>Backspace</kbd> goes one call back, <kbd>Esc</kbd> shows all, <kbd>/</kbd> searches. ± is half of the 95 % interval.</p>
<div class="legend"></div>
<p class="status" role="status"></p>
<div class="stage"><canvas tabindex="0" role="img" aria-label="Flame graph. Arrow keys choose a frame, Enter zooms, Escape shows all; the status line says what is chosen."></canvas><p class="empty" hidden></p></div>
<div class="tip" role="tooltip" hidden></div>`;
	const $ = (c) => host.querySelector("." + c);
	const canvas = host.querySelector("canvas"), ctx = canvas.getContext("2d"), tip = $("tip");
	const dark = matchMedia("screen and (prefers-color-scheme: dark)");
	const trees = [null, null];
	/* What does not show, or turns the text around it, must not hide in a name. */
	const names = D.names.map(visible), files = D.files.map(visible);
	let paper = 0; /* the width to draw for when it is printed, in pixels */
	let type = D.start, turned = 0, tree = null, zoom = 0, selected = 0, hits = null, rects = [];

	function visible(s) {
		return s.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");
	}

	/* ---- trees: cum, variance and children of every node ---- */
	function finish(t) {
		const n = t.parent.length;
		t.cum = t.self.map((s) => Float64Array.from(s));
		t.variance = t.selfVariance.map((s) => Float64Array.from(s));
		for (let k = 0; k < K; k++)
			for (let i = n - 1; i > 0; i--) {
				t.cum[k][t.parent[i]] += t.cum[k][i];
				t.variance[k][t.parent[i]] += t.variance[k][i];
			}
		/* Children of i: list[first[i] .. first[i + 1]). */
		t.first = new Int32Array(n + 1);
		for (let i = 1; i < n; i++)
			t.first[t.parent[i] + 1]++;
		for (let i = 0; i < n; i++)
			t.first[i + 1] += t.first[i];
		const next = t.first.slice();
		t.list = new Int32Array(Math.max(n - 1, 0));
		for (let i = 1; i < n; i++)
			t.list[next[t.parent[i]]++] = i;
		t.sorted = -1;
		return t;
	}
	function callees() {
		return finish({ parent: D.parent, name: D.name, self: D.self, selfVariance: D.variance });
	}
	function callers() {
		const f = trees[0], parent = [0], name = [ALL], child = new Map();
		const self = D.types.map((t, k) => [D.self[k][0]]), selfVariance = D.types.map((t, k) => [D.variance[k][0]]);
		for (let i = 1; i < f.parent.length; i++) {
			if (!D.self.some((s) => s[i] !== 0))
				continue;
			let at = 0;
			for (let j = i; j !== 0; j = f.parent[j]) {
				const key = at * names.length + f.name[j];
				let to = child.get(key);
				if (to === undefined) {
					to = parent.length;
					child.set(key, to);
					parent.push(at);
					name.push(f.name[j]);
					for (let k = 0; k < K; k++) {
						self[k].push(0);
						selfVariance[k].push(0);
					}
				}
				at = to;
			}
			for (let k = 0; k < K; k++) {
				self[k][at] += D.self[k][i];
				selfVariance[k][at] += D.variance[k][i];
			}
		}
		return finish({ parent, name, self, selfVariance });
	}
	function turn(to) {
		turned = to;
		if (trees[to] === null)
			trees[to] = to ? callers() : callees();
		tree = trees[to];
		zoom = selected = 0;
	}
	const kids = (i) => tree.list.subarray(tree.first[i], tree.first[i + 1]);
	function sort() {
		if (tree.sorted === type)
			return;
		const c = tree.cum[type];
		for (let i = 0; i < tree.parent.length; i++)
			if (tree.first[i + 1] - tree.first[i] > 1)
				kids(i).sort((a, b) => Math.abs(c[b]) - Math.abs(c[a]));
		tree.sorted = type;
	}

	/* ---- words ---- */
	const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], TIMES = ["ns", "µs", "ms", "s"];
	function scale(v, unit) {
		const [names, by] = unit === "bytes" ? [BYTES, 1024] : unit === "nanoseconds" ? [TIMES, 1000] : [[unit === "count" ? "" : unit], 1];
		let i = 0;
		for (v = Math.abs(v); v >= by && i + 1 < names.length; v /= by)
			i++;
		return { by: by ** i, word: names[i] ? " " + names[i] : "", digits: i ? 2 : 0 };
	}
	function units(v, unit, s = scale(v, unit)) {
		return (v / s.by).toLocaleString("en", { minimumFractionDigits: s.digits, maximumFractionDigits: s.digits }) + s.word;
	}
	/* "31.40 MiB ± 1.02 MiB", the error in the unit of the value unless it is too small for it. */
	function amount(v, variance, k) {
		const t = D.types[k];
		if (!t.errors || variance === 0)
			return units(v, t.unit);
		const e = 1.96 * Math.sqrt(variance), s = scale(v, t.unit);
		return units(v, t.unit) + " ± " + units(e, t.unit, e !== 0 && e < s.by / 100 ? scale(e, t.unit) : scale(Math.max(Math.abs(v), e), t.unit));
	}
	const total = () => tree.cum[type][0];
	const share = (v, of = total()) => (of ? 100 * v / of : 0).toFixed(2) + " %";
	const clip = (s) => s.length > NAME_MAX ? s.slice(0, NAME_MAX / 2) + " … " + s.slice(-NAME_MAX / 2) : s;
	const nameOf = (i) => names[tree.name[i]];
	const value = (i, k) => amount(tree.cum[k][i], tree.variance[k][i], k);
	const growth = (i) => {
		const d = tree.cum[0][i] - tree.cum[1][i];
		return (d > 0 ? "+" : d < 0 ? "−" : "") + units(Math.abs(d), D.types[0].unit);
	};
	function describe() {
		const i = selected, strong = document.createElement("strong");
		let rest = "  " + value(i, type) + ",  " + share(tree.cum[type][i]) + " of " + D.types[type].name;
		if (D.diff)
			rest += ",  growth " + growth(i);
		if (i === 0 && !turned)
			rest += D.parent.length > 1 ? ",  " + (D.parent.length - 1).toLocaleString("en") + " frames" : "";
		else if (files[tree.name[i]])
			rest += ",  " + clip(files[tree.name[i]]);
		strong.textContent = clip(nameOf(i));
		$("status").replaceChildren(strong, rest);
	}

	/* ---- colours: a folder of sources or a module has one of its own, the largest first ---- */
	const HUES = [28, 208, 145, 276, 52, 340, 178];
	function hash(s) {
		let h = 2166136261; /* FNV-1a */
		for (let i = 0; i < s.length; i++)
			h = Math.imul(h ^ s.charCodeAt(i), 16777619);
		return h >>> 0;
	}
	const shades = names.map((n) => hash(n) % 9 - 4);
	const rank = new Map();
	let groups;
	function group(by) {
		const sum = new Map();
		let all = 0;
		groups = files.map(by);
		D.self[type].forEach((v, i) => {
			const g = groups[D.name[i]];
			if (g === "")
				return;
			sum.set(g, (sum.get(g) || 0) + Math.abs(v));
			all += Math.abs(v);
		});
		rank.clear();
		const largest = [...sum].sort((a, b) => b[1] - a[1]).slice(0, HUES.length);
		largest.forEach(([g], i) => rank.set(g, i));
		return largest.length > 0 && largest[0][1] < 0.7 * all;
	}
	/* Folders, unless nearly everything is in one: then files. */
	if (!group((f) => f.includes("/") ? f.slice(0, f.lastIndexOf("/")) || "/" : f))
		group((f) => f);
	function tone(hue, saturation, shade) {
		return dark.matches ? `hsl(${hue} ${saturation * 0.62}% ${33 + shade}%)` : `hsl(${hue} ${saturation}% ${79 + shade}%)`;
	}
	const plain = () => dark.matches ? "hsl(215 8% 26%)" : "hsl(215 10% 88%)";
	function colour(i) {
		const name = tree.name[i];
		if (hits !== null)
			return hits[name] ? (dark.matches ? "#a8308c" : "#f09adb") : plain();
		if (name === ALL || name === SMALL)
			return plain();
		if (D.diff) {
			const b = tree.cum[0][i], a = tree.cum[1][i], m = Math.max(Math.abs(a), Math.abs(b));
			const d = m ? (b - a) / m : 0;
			return tone(d >= 0 ? 8 : 212, Math.round(90 * Math.abs(d)), 0);
		}
		const r = rank.get(groups[name]);
		return r === undefined ? tone(45, 14, shades[name] / 2) : tone(HUES[r], 68, shades[name]);
	}
	function legend() {
		const put = (fill, text, full, wide) => {
			const item = document.createElement("span"), chip = document.createElement("i"), word = document.createElement("b");
			chip.style.background = fill;
			if (wide)
				chip.className = "scale";
			word.textContent = text;
			item.title = full;
			item.append(chip, word);
			$("legend").append(item);
		};
		$("legend").replaceChildren();
		if (!total() && !tree.list.length)
			return;
		if (D.diff) {
			put(`linear-gradient(to right, ${tone(212, 90, 0)}, ${tone(8, 0, 0)}, ${tone(8, 90, 0)})`, "blue: less than before, red: more", "by how much of the larger of both values", true);
			return;
		}
		for (const [f, r] of rank) {
			const parts = f.split("/");
			put(tone(HUES[r], 68, 0), parts.length > 2 ? "…/" + parts.slice(-2).join("/") : f, f);
		}
		if (rank.size === HUES.length)
			put(tone(45, 14, 0), "other files", "everything else");
	}

	/* ---- drawing ---- */
	function layout(width) {
		const c = tree.cum[type], up = [], stack = [];
		rects = [];
		const put = (i, x, w, d) => (rects[d] = rects[d] || []).push([x, w, i]);
		for (let i = zoom; i !== 0; i = tree.parent[i])
			up.push(i);
		up.reverse();
		if (up.length > ABOVE_MAX)
			up.splice(0, up.length - ABOVE_MAX);
		[0, ...up].forEach((i, d) => put(i, 0, width, d));
		stack.push([zoom, 0, width, up.length + 1]);
		while (stack.length) {
			const [i, x, w, d] = stack.pop(), list = kids(i);
			let sum = 0, at = x;
			if (d >= ROWS_MAX)
				continue;
			for (const k of list)
				sum += Math.abs(c[k]);
			const factor = w / Math.max(Math.abs(c[i]), sum, Number.MIN_VALUE);
			for (const k of list) {
				const kw = Math.abs(c[k]) * factor;
				if (kw < LEAST_PX)
					break; /* sorted: the others are smaller still */
				put(k, at, kw, d);
				stack.push([k, at, kw, d + 1]);
				at += kw;
			}
		}
		return up.length;
	}
	const letters = new Map();
	function letter(c) {
		let w = letters.get(c);
		if (w === undefined) {
			w = ctx.measureText(c).width;
			letters.set(c, w);
		}
		return w;
	}
	/* As much of the name as there is room for. */
	function fit(s, room) {
		const dots = letter("…");
		let w = 0, at = 0, cut = 0;
		for (const c of s) {
			w += letter(c);
			if (w > room)
				return cut > 0 ? s.slice(0, cut) + "…" : "";
			at += c.length;
			if (w + dots <= room)
				cut = at;
		}
		return s;
	}
	function draw() {
		const width = paper || $("stage").clientWidth, ratio = window.devicePixelRatio || 1;
		const nothing = D.parent.length < 2 ? "This profile holds no samples: nothing was recorded." : tree.cum[type].every((v) => v === 0) ? "Every value of " + D.types[type].name + " is 0 here." : "";
		if (width === 0)
			return; /* not shown now */
		$("empty").textContent = nothing;
		$("empty").hidden = nothing === "";
		canvas.hidden = nothing !== "";
		sort();
		const above = layout(width), height = rects.length * ROW + 2;
		const ink = dark.matches ? "#f2f3f5" : "#14171b", faint = dark.matches ? "#aab2bc" : "#57606b";
		/* A canvas has its limits: 32,767 on each side. */
		const sharp = Math.min(ratio, 32000 / height, 32000 / width);
		canvas.width = Math.round(width * sharp);
		canvas.height = Math.round(height * sharp);
		canvas.style.height = height + "px";
		ctx.setTransform(sharp, 0, 0, sharp, 0, 0);
		ctx.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif";
		ctx.textBaseline = "middle";
		ctx.direction = "ltr";
		rects.forEach((row, d) => {
			const dimmed = d < above || (d === 0 && above > 0);
			for (const [x, w, i] of row) {
				ctx.globalAlpha = dimmed ? 0.55 : 1;
				ctx.fillStyle = colour(i);
				ctx.fillRect(x, d * ROW, Math.max(w - (w > 3 ? 1 : 0.25), LEAST_PX), ROW - 1);
				ctx.globalAlpha = 1;
				if (w < 24)
					continue;
				ctx.fillStyle = tree.name[i] <= SMALL ? faint : ink;
				if (tree.name[i] <= SMALL && !dark.matches)
					ctx.fillStyle = "#3f4650";
				ctx.fillText(fit(nameOf(i), w - 10), x + 5, d * ROW + ROW / 2);
			}
		});
		if (selected !== 0)
			rects.forEach((row, d) => row.forEach(([x, w, i]) => {
				if (i !== selected)
					return;
				ctx.strokeStyle = ink;
				ctx.lineWidth = 2;
				ctx.strokeRect(x + 1, d * ROW + 1, Math.max(w - 3, 1), ROW - 3);
			}));
		$("reset").disabled = zoom === 0 && $("search").value === "";
		describe();
	}
	function find(event) {
		const box = canvas.getBoundingClientRect(), x = event.clientX - box.left;
		const row = rects[Math.floor((event.clientY - box.top) / ROW)];
		const hit = row && row.find((r) => x >= r[0] && x < r[0] + r[1]);
		return hit ? hit[2] : -1;
	}

	/* ---- search: outermost matches only, so that nothing counts twice ---- */
	function search() {
		const text = $("search").value, matched = $("matched");
		hits = null;
		matched.textContent = "";
		matched.classList.remove("none");
		if (text !== "") {
			let test = (s) => s.toLowerCase().includes(text.toLowerCase());
			try {
				const re = new RegExp(text, "i");
				test = (s) => re.test(s);
			} catch (e) { /* no expression: the text as it stands */ }
			hits = names.map((n, i) => i > SMALL && (test(n) || (files[i] !== "" && test(files[i]))));
			const inside = new Uint8Array(tree.parent.length);
			let sum = 0, any = false;
			for (let i = 1; i < tree.parent.length; i++) {
				inside[i] = inside[tree.parent[i]];
				if (!inside[i] && hits[tree.name[i]]) {
					inside[i] = 1;
					any = true;
					sum += tree.cum[type][i];
				}
			}
			matched.textContent = any ? share(sum) + ", " + units(sum, D.types[type].unit) : "no match";
			matched.classList.toggle("none", !any);
		}
		draw();
	}

	/* ---- moving about ---- */
	function show(row) {
		const y = canvas.getBoundingClientRect().top + row * ROW;
		if (y < 0 || y + ROW > innerHeight)
			window.scrollBy({ top: y < 0 ? y - ROW : y + 2 * ROW - innerHeight });
	}
	function select(i) {
		if (i === undefined || i < 0)
			return;
		selected = i;
		draw();
		show(Math.max(rects.findIndex((row) => row.some((r) => r[2] === i)), 0));
	}
	function zoomTo(i) {
		zoom = selected = i;
		tip.hidden = true;
		draw();
		show(0);
	}
	function sibling(step) {
		if (selected === 0)
			return;
		const list = Array.from(kids(tree.parent[selected]));
		select(list[list.indexOf(selected) + step]);
	}
	function reset() {
		$("search").value = "";
		zoom = selected = 0;
		tip.hidden = true;
		search();
	}

	/* ---- the tooltip ---- */
	function tell(i, event) {
		const name = document.createElement("div"), file = document.createElement("div"), table = document.createElement("table");
		const line = (head, ...cells) => {
			const tr = table.insertRow(), th = document.createElement("th");
			th.textContent = head;
			tr.append(th);
			for (const c of cells)
				tr.insertCell().textContent = c;
		};
		name.className = "name";
		name.textContent = clip(nameOf(i));
		file.className = "file";
		file.textContent = clip(files[tree.name[i]]);
		const whole = tree.cum[type][i], own = tree.self[type][i];
		if (D.diff) {
			line("after", value(i, 0), share(tree.cum[0][i], tree.cum[0][0]));
			line("before", value(i, 1), share(tree.cum[1][i], tree.cum[1][0]));
			line("growth", growth(i), "");
		} else {
			line(D.types[type].name, value(i, type), share(whole));
			if (own !== 0 && own !== whole)
				line("by itself", amount(own, tree.selfVariance[type][i], type), share(own));
			D.types.forEach((t, k) => {
				if (k !== type && K <= 4 && tree.cum[k][i] !== 0)
					line(t.name, value(i, k), share(tree.cum[k][i], tree.cum[k][0]));
			});
		}
		if (zoom !== 0)
			line("of the zoomed", "", share(whole, tree.cum[type][zoom]));
		tip.replaceChildren(name, ...(file.textContent ? [file] : []), table);
		tip.hidden = false;
		/* Right of and below the pointer; where there is no room, on its other side. */
		const w = tip.offsetWidth, h = tip.offsetHeight;
		let x = event.clientX + 14, y = event.clientY + 18;
		if (x + w + 8 > document.documentElement.clientWidth)
			x = event.clientX - w - 14;
		if (x < 8)
			x = Math.max(8, Math.min(event.clientX - w / 2, document.documentElement.clientWidth - w - 8));
		if (y + h + 8 > innerHeight && event.clientY - h - 12 >= 8)
			y = event.clientY - h - 12;
		tip.style.left = x + "px";
		tip.style.top = Math.max(8, Math.min(y, innerHeight - h - 8)) + "px";
	}

	/* ---- events ---- */
	canvas.addEventListener("mousemove", (event) => {
		const i = find(event);
		canvas.style.cursor = i < 0 ? "default" : "pointer";
		if (i < 0)
			tip.hidden = true;
		else
			tell(i, event);
	});
	canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
	addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
	canvas.addEventListener("click", (event) => {
		const i = find(event);
		if (i >= 0)
			zoomTo(i);
	});
	$("search").addEventListener("input", search);
	$("reset").addEventListener("click", reset);
	function direction(to) {
		turn(to);
		$("down").setAttribute("aria-pressed", String(!to));
		$("up").setAttribute("aria-pressed", String(!!to));
		search();
	}
	$("down").addEventListener("click", () => direction(0));
	$("up").addEventListener("click", () => direction(1));
	$("type").addEventListener("change", (event) => {
		type = Number(event.target.value);
		search();
	});
	$("more").addEventListener("click", () => {
		$("keys").hidden = !$("keys").hidden;
		$("more").setAttribute("aria-expanded", String(!$("keys").hidden));
	});
	addEventListener("beforeprint", () => { paper = 700; draw(); });
	addEventListener("afterprint", () => { paper = 0; draw(); });
	new ResizeObserver(draw).observe($("stage"));
	dark.addEventListener("change", () => { legend(); draw(); });
	addEventListener("keydown", (event) => {
		const at = event.target, here = host.contains(at), field = at.tagName === "INPUT" || at.tagName === "SELECT";
		if (event.ctrlKey || event.metaKey || event.altKey || host.offsetParent === null)
			return;
		if (event.key === "Escape" && (here || options.whole)) {
			if (at === $("search"))
				canvas.focus({ preventScroll: true });
			reset();
			return;
		}
		if (event.key === "Enter" && at === $("search")) {
			canvas.focus({ preventScroll: true });
			return;
		}
		if (event.key === "/" && !field) {
			event.preventDefault();
			$("search").focus();
			return;
		}
		if (at !== canvas && !(options.whole && (at === document.body || at === document.documentElement)))
			return;
		const keys = {
			ArrowUp: () => select(selected === 0 ? 0 : tree.parent[selected]),
			ArrowDown: () => select(kids(selected)[0]),
			ArrowLeft: () => sibling(-1),
			ArrowRight: () => sibling(1),
			Backspace: () => zoomTo(tree.parent[zoom]),
			Enter: () => zoomTo(selected),
		};
		if (keys[event.key]) {
			event.preventDefault();
			keys[event.key]();
		}
	});

	D.types.forEach((t, k) => {
		const option = document.createElement("option");
		option.value = k;
		option.textContent = t.name;
		$("type").append(option);
	});
	$("type").value = type;
	turn(0);
	legend();
	draw();
}
