# SPDX-License-Identifier: Apache-2.0
"""
checks.py - what a test of a page says, and what holds for every page.
"""
import os
import re

import webdriver

failures = 0


def ok(name):
    print("ok " + name, flush=True)


def not_ok(name, why):
    global failures
    failures += 1
    print("not ok " + name + ": " + " ".join(str(why).split())[:600], flush=True)


def check(name, what, why=""):
    if what:
        ok(name)
    else:
        not_ok(name, why or "it is not so")
    return bool(what)


def equal(name, got, expected):
    return check(name, got == expected, f"got {got!r}, expected {expected!r}")


def guarded(name, f, *args):
    """Run a part of the test; what it throws is one failure, and the next part is run."""
    try:
        f(*args)
    except (webdriver.Failure, OSError, KeyError, ValueError, IndexError, TypeError) as e:
        not_ok(name, f"{type(e).__name__}: {e}")


def luminance(colour):
    """Relative luminance (WCAG 2.2) of red, green, blue from 0 to 255."""
    def linear(v):
        v /= 255
        return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
    r, g, b = (linear(v) for v in colour[:3])
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    x, y = sorted((luminance(a), luminance(b)))
    return (y + 0.05) / (x + 0.05)


# The elements with text of their own, their colour and what is behind them.
TEXTS = """
const parse = (s) => (s.match(/[\\d.]+/g) || []).map(Number), found = [];
for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== "");
    const r = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!own || r.width === 0 || r.height === 0 || e.disabled || style.visibility === "hidden" || e.tagName === "OPTION")
        continue;
    let behind = [255, 255, 255], box = e, colour = parse(style.color);
    if (e instanceof SVGElement)
        colour = parse(style.fill);
    for (; box; box = box.parentElement) {
        const c = parse(getComputedStyle(box).backgroundColor);
        if (c.length === 3 || (c.length === 4 && c[3] === 1)) { behind = c; break; }
    }
    found.push([e.tagName + "." + (e.getAttribute("class") || ""), colour.slice(0, 3), behind.slice(0, 3), e.textContent.slice(0, 30)]);
}
return found;
"""


def readable(name, b):
    """Every text that is shown has the contrast that WCAG 2.2 asks for (4.5 to 1)."""
    bad = [f"{tag} {text!r} {c} on {back}: {contrast(c, back):.2f}" for tag, c, back, text in b.run(TEXTS)
           if contrast(c, back) < 4.5]
    check(name, not bad, "; ".join(bad[:3]))


def width_fits(name, b):
    wide, room = b.run("return [document.scrollingElement.scrollWidth, document.documentElement.clientWidth]")
    check(name, wide <= room, f"{wide} pixels in {room}")


def quiet(name, b, page):
    """Nothing on the console, and nothing was asked for but the page."""
    equal(name + ": nothing on the console", b.complaints(), [])
    asked = [u for u in b.requests() if not u.startswith("about:")]
    equal(name + ": no request but for the page", asked, ["file://" + os.path.abspath(page)])
    equal(name + ": no resource", b.run("return performance.getEntriesByType('resource').length"), 0)


def drawn(name, picture, x, y, width, height, least_colours, least_share):
    """At least so many colours, and so much that is not the most frequent one."""
    count = picture.colours(x, y, width, height)
    total = sum(count.values())
    large = [c for c, n in count.items() if n > total / 2000]
    rest = 1 - max(count.values()) / total if total else 0
    check(name, len(large) >= least_colours and rest >= least_share,
          f"{len(large)} colours, {rest:.3f} of the area is not background")


def in_window(name, b, selector):
    x, y, w, h = b.box(selector)
    room = b.run("return [document.documentElement.clientWidth, innerHeight]")
    check(name, w > 0 and h > 0 and x >= 0 and y >= 0 and x + w <= room[0] and y + h <= room[1],
          f"{x}, {y}, {w} x {h} in {room}")


def as_bytes(text):
    """'31.40 MiB' -> bytes"""
    m = re.fullmatch(r"([+-]?[\d,.]+) (B|KiB|MiB|GiB|TiB)", text.strip())
    if not m:
        raise ValueError(f"no size: {text!r}")
    return float(m.group(1).replace(",", "")) * 1024 ** ["B", "KiB", "MiB", "GiB", "TiB"].index(m.group(2))
