/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flame.js - run the script of a flame graph page in a page that only remembers, and use it.
 *
 *   node flame.js PAGE [any | empty]
 *
 * any: the search may differ by what is too small to show; empty: only load it.
 */
"use strict";
const fs = require("fs"), vm = require("vm");
const html = fs.readFileSync(process.argv[2], "utf8");
const scripts = [...html.matchAll(/<script(?: [^>]*)?>([\s\S]*?)<\/script>/g)].map((m) => m[1]);
if (scripts.length !== 2) throw new Error(scripts.length + " scripts");
const made = {};
function element(id) {
	if (made[id]) return made[id];
	const e = { id, style: {}, textContent: "", value: "", tagName: id === "search" ? "INPUT" : "DIV", on: {}, list: [],
		addEventListener(k, f) { this.on[k] = f; }, append(x) { this.list.push(x); }, focus() { e.focused = true; }, blur() {},
		getBoundingClientRect: () => ({ left: 0, top: 0 }), offsetWidth: 10, offsetHeight: 10,
		getContext: () => new Proxy({}, { get: (t, k) => k in t ? t[k] : () => { made.calls = (made.calls || 0) + 1; }, set: (t, k, v) => { t[k] = v; return true; } }) };
	return made[id] = e;
}
const global_on = {};
const data = element("data"); data.textContent = scripts[0];
const world = { document: { getElementById: element, createElement: () => element("o" + Math.random()), documentElement: { clientWidth: 1280 } },
	window: { scrollTo() {}, devicePixelRatio: 1 }, innerWidth: 1280, innerHeight: 800,
	matchMedia: () => ({ matches: false, addEventListener() {} }), addEventListener(k, f) { global_on[k] = f; }, console };
vm.createContext(world);
const t0 = performance.now();
vm.runInContext(scripts[1], world);
const t1 = performance.now();
const key = (k) => global_on.keydown({ key: k, target: { tagName: "BODY" }, preventDefault() {} });
const run = (s) => vm.runInContext(s, world);
const same = (a, b, what) => { if (Math.abs(a - b) > 1e-6 * Math.abs(b) + 1e-6) throw new Error(what + ": " + a + " and " + b); };
const D = JSON.parse(scripts[0]);
D.self.forEach((s, k) => same(run(`tree.cum[${k}][0]`), s.reduce((a, b) => a + b, 0), "total"));
/* Frames of a row lie side by side, within the row above. */
run(`rects.forEach((row) => { let at = 0; for (const [x, w] of row.slice().sort((p, q) => p[0] - q[0])) { if (x < at - 1e-6) throw new Error("overlap"); at = x + w; } if (at > 1280.001) throw new Error("too wide"); })`);
if (process.argv[3] === "empty") process.exit(0);
const status = () => element("status").textContent;
const all = status();
key("ArrowDown"); const down = status();
if (down === all) throw new Error("ArrowDown: " + down);
key("Enter"); if (run("zoom") === 0) throw new Error("Enter");
key("Escape"); if (run("zoom") !== 0 || status() !== all) throw new Error("Escape");
key("/"); if (!element("search").focused) throw new Error("/");
element("canvas"); run(`canvas.on.click({ clientX: 5, clientY: ROW + 2 })`); if (run("zoom") === 0) throw new Error("click");
run(`canvas.on.mousemove({ clientX: 5, clientY: ROW + 2 })`); if (element("tip").textContent === "") throw new Error("tip");
key("Escape");
element("search").value = "."; element("search").on.input(); if (!/^matched 100\.00 %/.test(element("matched").textContent)) throw new Error(element("matched").textContent);
element("search").value = "function_1$"; element("search").on.input();
const m = element("matched").textContent;
const t2 = performance.now();
element("reverse").on.change({ target: { checked: true } });
const t3 = performance.now();
D.self.forEach((s, k) => same(run(`tree.cum[${k}][0]`), s.reduce((a, b) => a + b, 0), "total of callers"));
if (element("matched").textContent !== m && process.argv[3] !== "any") throw new Error("search: " + m + ", of callers " + element("matched").textContent);
element("type").on.change({ target: { value: D.types.length - 1 } });
if (run("type") !== D.types.length - 1) throw new Error("type");
console.error(`nodes ${D.parent.length}, load ${(t1 - t0).toFixed(0)} ms, callers ${(t3 - t2).toFixed(0)} ms`);
