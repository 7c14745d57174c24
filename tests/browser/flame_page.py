# SPDX-License-Identifier: Apache-2.0
"""
flame_page.py - the flame graph page, used as a person would.
"""
import json
import os
import re

import checks
from checks import check, equal

ROW = 20  # pixels, as in flame.js


def status(b):
    return b.text(".flame .status")


def name(b):
    return b.text(".flame .status strong")


def point(b, row, x=30):
    """A place in a row of frames."""
    left, top, _, _ = b.box(".flame canvas")
    return left + x, top + row * ROW + ROW / 2


def by_keys(b, what):
    b.run("document.querySelector('.flame canvas').focus()")
    b.keys(*what)


def shown(b, keep):
    picture = b.picture(keep)
    x, y, w, h = b.box(".flame canvas")
    return picture, (x, y, w, min(h, 768 - y))


def plain(b, folder, keep):
    page, top = os.path.join(folder, "a.html"), json.load(open(os.path.join(folder, "a.json"), encoding="utf-8"))
    b.media("light")
    b.size(1366, 768)
    b.open(page)
    equal("flame page: title", b.run("return document.title"), b.text("h1"))
    check("flame page: title names program and type", "mkprofile" in b.text("h1") and "inuse_space" in b.text("h1"), b.text("h1"))
    equal("flame page: names of a profile make no elements", b.run(
        "return [document.scripts.length, document.images.length, document.querySelectorAll('iframe, object, a').length]"), [2, 0, 0])
    checks.width_fits("flame page: no horizontal scrolling at 1366", b)
    picture, area = shown(b, keep("flame-light"))
    checks.drawn("flame page: it is drawn", picture, *area, 6, 0.3)
    checks.readable("flame page: readable when light", b)

    # Words and numbers are those of `otheap top`.
    m = re.search(r"all  (\S+ \S+) ± (\S+ \S+),  100\.00 %", status(b))
    if check("flame page: the total with its error", m, status(b)):
        check("flame page: the total is right", abs(checks.as_bytes(m.group(1)) / top["total"] - 1) < 1e-3 and
              abs(checks.as_bytes(m.group(2)) / (1.96 * top["total_stderr"]) - 1) < 2e-2, status(b))
    b.click_on(".flame .up")
    by_keys(b, ["ArrowDown"])
    row = top["rows"][0]
    m = re.search(r"  (\S+ \S+) ± (\S+ \S+),  (\S+) % of inuse_space", status(b))
    if check("flame page: callers: the largest function", m and name(b) == row["function"], status(b)):
        check("flame page: callers: its value and error", abs(checks.as_bytes(m.group(1)) / row["flat"] - 1) < 1e-3 and
              abs(checks.as_bytes(m.group(2)) / (1.96 * row["flat_stderr"]) - 1) < 2e-2, f"{status(b)} {row}")
    b.click_on(".flame .down")
    equal("flame page: back to callees", [b.run(f"return document.querySelector('.flame .{c}').getAttribute('aria-pressed')")
                                          for c in ("down", "up")], ["true", "false"])

    # The mouse.
    check("flame page: nothing to go back to at first", b.run("return document.querySelector('.flame .reset').disabled"))
    b.move(*point(b, 1))
    tip = b.text(".flame .tip")
    check("flame page: tooltip", "±" in tip and "%" in tip and "alloc_objects" in tip, tip)
    x, y, w, h = b.box(".flame canvas")
    for corner, at in (("left", point(b, 1, 1)), ("right", point(b, 0, w - 2)), ("bottom", (x + w - 3, min(y + h, 768) - 3)),
                       ("bottom left", (x + 1, min(y + h, 768) - 3))):
        b.move(*at)
        if b.run("return document.querySelector('.flame .tip').hidden"):
            b.move(x + 3, y + ROW / 2)
        checks.in_window(f"flame page: tooltip in the window at the {corner}", b, ".flame .tip")
    b.move(*point(b, 1))
    first = b.text(".flame .tip .name")
    b.click(*point(b, 1))
    equal("flame page: a click zooms", name(b), first)
    b.move(*point(b, 2))
    check("flame page: tooltip has the share of what is zoomed", "of the zoomed" in b.text(".flame .tip"), b.text(".flame .tip"))
    check("flame page: zoomed, one can go back", not b.run("return document.querySelector('.flame .reset').disabled"))
    b.click(*point(b, 0))
    equal("flame page: a click on the frame above zooms out", name(b), "all")

    # The keyboard.
    by_keys(b, ["ArrowDown", "ArrowRight"])
    second = name(b)
    check("flame page: arrows choose", second not in ("all", first), second)
    b.keys("ArrowLeft")
    equal("flame page: left goes back", name(b), first)
    b.keys("ArrowUp")
    equal("flame page: up goes up", name(b), "all")
    b.keys("ArrowDown", "ArrowDown", "Enter")
    deep = name(b)
    b.keys("Backspace")
    check("flame page: Enter zooms, Backspace goes one call back", deep != first and name(b) == first, f"{deep}, {name(b)}")
    b.keys("Escape")
    equal("flame page: Escape shows all", name(b), "all")
    b.run("document.querySelector('.flame .type').focus()")
    b.keys("Tab", "Tab", "Tab", "Tab", "Tab")
    ring = b.run("const e = document.activeElement, s = getComputedStyle(e); return [e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]")
    check("flame page: Tab reaches the graph, which shows it", ring[0] == "CANVAS" and ring[1] == "solid" and ring[2] >= 2, ring)

    # Search.
    b.run("document.activeElement.blur()")
    b.keys("/")
    b.keys("function_1$")
    found = b.text(".flame .matched")
    check("flame page: / searches", re.match(r"\d+\.\d\d %, \S+ \S+$", found) and not found.startswith("0.00"), found)
    picture, area = shown(b, keep("flame-search"))
    check("flame page: what is found is marked", (240, 154, 219) in picture.colours(*area))
    b.click_on(".flame .up")
    equal("flame page: callers: the same is found", b.text(".flame .matched"), found)
    b.click_on(".flame .down")
    b.keys("Escape")
    for text, expected in ((".", "100.00 %"), ("no such function", "no match"), ("(", "no match")):
        b.keys("/")
        b.keys(text)
        got = b.text(".flame .matched")
        check(f"flame page: search for '{text}'", got.startswith(expected), got)
        b.keys("Escape")
    equal("flame page: Escape ends the search", b.text(".flame .matched"), "")

    # Other values, colours and windows.
    b.choose(".flame .type", "alloc_objects")
    check("flame page: another sample type", status(b).endswith("frames") and "of alloc_objects" in status(b), status(b))
    b.choose(".flame .type", "inuse_space")
    light = shown(b, None)[0].at(5, 5)
    b.media("dark")
    picture, area = shown(b, keep("flame-dark"))
    check("flame page: dark when that is preferred", checks.luminance(light) > 0.9 and checks.luminance(picture.at(5, 5)) < 0.05)
    checks.drawn("flame page: it is drawn in dark", picture, *area, 6, 0.3)
    checks.readable("flame page: readable when dark", b)
    b.media("light")
    for width in (1024, 390):
        b.size(width, 768)
        b.wait("the graph to be drawn again", lambda w=width: b.run("return document.querySelector('.flame canvas').width") == w)
        checks.width_fits(f"flame page: no horizontal scrolling at {width}", b)
        b.picture(keep(f"flame-{width}"))
    b.move(*point(b, 1, 370))
    checks.in_window("flame page: tooltip in a narrow window", b, ".flame .tip")
    b.picture(keep("flame-narrow-tip"))
    b.size(1366, 768)
    checks.quiet("flame page", b, page)


def changed(b, folder, keep):
    page = os.path.join(folder, "d.html")
    b.open(page)
    picture, area = shown(b, keep("flame-diff"))
    warm = cold = 0
    for (r, g, bl), n in picture.colours(*area).items():
        warm += n if r > bl + 30 else 0
        cold += n if bl > r + 30 else 0
    check("flame page: growth is red and shrinking is blue", warm > 1000 and cold > 1000, f"{warm}, {cold}")
    b.move(*point(b, 1))
    tip = b.text(".flame .tip")
    check("flame page: growth in the tooltip", all(w in tip for w in ("after", "before", "growth", "±")), tip)
    b.picture(keep("flame-diff-tip"))
    b.media("dark")
    b.picture(keep("flame-diff-dark"))
    b.media("light")
    checks.quiet("flame page of growth", b, page)


def nothing(b, folder, keep):
    page = os.path.join(folder, "none.html")
    b.open(page)
    check("flame page: says that there is nothing", "holds no samples" in b.text(".flame .empty"), b.text(".flame"))
    b.picture(keep("flame-empty"))
    checks.quiet("empty flame page", b, page)


def hostile(b, folder, keep):
    page = os.path.join(folder, "odd.html")
    b.open(page)
    equal("flame page: hostile names make no elements", b.run(
        "return [document.scripts.length, document.images.length, typeof window.bad]"), [2, 0, "undefined"])
    by_keys(b, ["ArrowDown"])
    b.move(*point(b, 1))
    checks.in_window("flame page: tooltip of a very long name", b, ".flame .tip")
    checks.width_fits("flame page: no horizontal scrolling with very long names", b)
    b.click_on(".flame .up")
    by_keys(b, ["ArrowDown"])
    seen = b.run("return [...document.querySelectorAll('.flame .status, .flame .tip')].map((e) => e.textContent).join('')")
    check("flame page: no name holds what does not show", not re.search("[\x00-\x1f\u200b-\u200f\u202a-\u202e]", seen), repr(seen[:200]))
    b.click_on(".flame .down")
    picture, area = shown(b, keep("flame-odd"))
    checks.drawn("flame page: hostile names are drawn", picture, *area, 3, 0.2)
    checks.quiet("flame page of hostile names", b, page)


def large(b, folder, keep):
    page = os.path.join(folder, "big.html")
    b.open(page)
    loaded = b.run("return performance.now()")  # when the script of the page has long run
    nodes = status(b)
    by_keys(b, ["ArrowDown", "ArrowDown"])
    before = name(b)
    took = b.run("const t = performance.now(); document.querySelector('.flame canvas').dispatchEvent("
                 "new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })); return performance.now() - t")
    check("flame page: 100,000 stacks: a zoom answers", name(b) == before and before != "all" and
          not b.run("return document.querySelector('.flame .reset').disabled"), before)
    turned = b.run("const t = performance.now(); document.querySelector('.flame .up').click(); return performance.now() - t")
    check("flame page: 100,000 stacks: callers", status(b).startswith("all"), status(b))
    picture, area = shown(b, keep("flame-big"))
    checks.drawn("flame page: 100,000 stacks are drawn", picture, *area, 6, 0.15)
    ready = b.run("const n = performance.getEntriesByType('navigation')[0]; return [n.domContentLoadedEventEnd, n.loadEventEnd]")
    print(f"# {os.path.getsize(page)} bytes, {nodes.split(',  ')[-1]}; loaded and drawn after {ready[1]:.0f} ms, "
          f"asked after {loaded:.0f} ms; zoom {took:.0f} ms, callers {turned:.0f} ms")
    checks.quiet("flame page of 100,000 stacks", b, page)


PARTS = plain, changed, nothing, hostile, large
