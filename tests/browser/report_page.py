# SPDX-License-Identifier: Apache-2.0
"""
report_page.py - the report, looked at in every way that a person may get to see it.
"""
import os

import checks
from checks import check, equal


def series(b, folder, keep):
    page = os.path.join(folder, "series.html")
    b.media("light")
    b.size(1366, 768)
    b.open(page)
    check("report: title", b.run("return document.title").startswith("Heap report: "), b.run("return document.title"))
    equal("report: names of a profile make no elements", b.run(
        "return [document.scripts.length, document.images.length, typeof window.bad]"), [3, 0, "undefined"])
    heads = b.run("return [...document.querySelectorAll('h2')].map((e) => e.textContent)")
    equal("report: its parts", heads, ["Timeline", "Leak suspects", "Top sites", "Flame graph", "Settings", "What the profiler lost"])
    equal("report: every link leads somewhere", b.run(
        "return [...document.querySelectorAll('a')].filter((a) => !document.querySelector(a.getAttribute('href'))).length"), 0)
    checks.width_fits("report: no horizontal scrolling at 1366", b)
    checks.readable("report: readable when light", b)

    b.run("document.querySelector('.chart').scrollIntoView()")
    b.wait("the chart to be in sight", lambda: 0 <= b.box(".chart")[1] < 100)
    checks.drawn("report: the timeline is drawn", b.picture(keep("report-timeline")), *b.box(".chart svg"), 3, 0.01)
    dots, band = b.run("const f = (s) => document.querySelectorAll('.chart ' + s).length; return [f('.dot'), f('.band')]")
    equal("report: a point for each profile, a band for the errors", [dots, band], [3, 1])
    # Higher values are higher, and the band is around the line.
    heights = b.run("return [...document.querySelectorAll('.chart .dot')].map((e) => e.getBoundingClientRect()).map((r) => r.y + r.height / 2)")
    check("report: the timeline rises", heights == sorted(heights, reverse=True), heights)
    top, bottom = b.run("const r = document.querySelector('.chart .band').getBoundingClientRect(); return [r.top, r.bottom]")
    check("report: the band is around the line", top < min(heights) and bottom > max(heights), f"{top} {bottom} {heights}")

    # A call stack opens by the keyboard.
    b.run("document.querySelector('.stacks summary').focus()")
    b.keys("Enter")
    check("report: a call stack opens", b.run("return document.querySelector('.stacks details').open && "
                                              "document.querySelector('.stacks .frames li').getBoundingClientRect().height > 0"))
    b.keys("Enter")

    # The flame graph is the same as on its own page.
    b.run("document.getElementById('flame-graph').scrollIntoView({ behavior: 'instant' })")
    x, y, w, h = b.box(".flame canvas")
    checks.drawn("report: the flame graph is drawn", b.picture(keep("report-flame")), x, y, w, min(h, 768 - y), 6, 0.3)
    b.move(x + 30, y + 30)
    check("report: tooltip", "±" in b.text(".flame .tip"), b.text(".flame .tip"))
    b.click(x + 30, y + 30)
    check("report: a click zooms", b.text(".flame .status strong") != "all")
    b.keys("Escape")
    b.click_on(".tabs button:last-child")
    shown = b.run("return [...document.querySelectorAll('.flame')].filter((e) => e.offsetParent !== null).map((e) => e.querySelector('.status').textContent)")
    check("report: what changed is drawn instead", len(shown) == 1 and "growth +" in shown[0], shown)
    b.picture(keep("report-changed"))
    b.click_on(".tabs button:first-child")

    b.media("dark")
    b.run("scrollTo(0, 0)")
    b.wait("the top", lambda: b.run("return scrollY") == 0)
    picture = b.picture(keep("report-dark"))
    check("report: dark when that is preferred", checks.luminance(picture.at(5, 760)) < 0.05, picture.at(5, 760))
    checks.readable("report: readable when dark", b)
    b.media("light")
    for width in 1024, 390:
        b.size(width, 768)
        checks.width_fits(f"report: no horizontal scrolling at {width}", b)
        b.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        checks.width_fits(f"report: nor with everything open at {width}", b)
        b.picture(keep(f"report-{width}"))
    b.size(1366, 768)

    # On paper.
    b.run("document.querySelectorAll('details').forEach((d) => { d.open = false; });"
          "addEventListener('beforeprint', () => { window.opened = [...document.querySelectorAll('details')].every((d) => d.open); })")
    paper = b.printed()
    pages = paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") + paper.count(b"/Type/Page/")
    check("report: it prints", paper[:5] == b"%PDF-" and 1 <= pages <= 30, f"{len(paper)} bytes, {pages} pages")
    check("report: with everything open", b.run("return window.opened === true"))
    check("report: and is as it was afterwards", b.run("return ![...document.querySelectorAll('details')].some((d) => d.open)"))
    checks.quiet("report", b, page)


def others(b, folder, keep):
    for name, words in (("one", "One profile shows what is in use"), ("empty", "no sample was recorded"),
                        ("leak", "leaked for certain")):
        page = os.path.join(folder, "report-" + name + ".html")
        b.open(page)
        check(f"report: {name}: says so", words in b.text("main"), b.text("main")[:300])
        checks.width_fits(f"report: {name}: no horizontal scrolling", b)
        checks.readable(f"report: {name}: readable", b)
        b.picture(keep("report-" + name))
        checks.quiet(f"report: {name}", b, page)


def without_script(b, folder, keep):
    b.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        b.open(os.path.join(folder, "series.html"))
        x, y = 700, 400
        b.click(x, y)
        picture = b.picture(keep("report-noscript"))
        checks.drawn("report: it can be read without its script", picture, 0, 0, 1366, 768, 5, 0.05)
    finally:
        b.cdp("Emulation.setScriptExecutionDisabled", value=False)


PARTS = series, others, without_script
