# SPDX-License-Identifier: Apache-2.0
"""
webdriver.py - a browser that a test drives: Chromium, by chromedriver's WebDriver
interface (https://www.w3.org/TR/webdriver2/), with the standard library alone.

    with Browser(folder) as b:
        b.open("page.html")
        b.click(10, 20)

Every wait is for a condition, and ends in a Failure when it is not met in time.
"""
import base64
import collections
import ctypes
import fcntl
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import time
import zlib

LIMIT_S = 60  # for whatever is waited for; generous, as no test is about time


class Failure(Exception):
    """What was expected did not happen."""


KEYS = {"Escape": "\ue00c", "Enter": "\ue007", "Backspace": "\ue003", "Tab": "\ue004", "ArrowLeft": "\ue012",
        "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Shift": "\ue008"}


def cut_off():
    """Put this process where there is no network but loopback, if that is allowed.  Returns whether."""
    clone_newnet, siocgifflags, siocsifflags, iff_up = 0x40000000, 0x8913, 0x8914, 1
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newnet) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        ask = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(s, siocgifflags, ask))[1]
        fcntl.ioctl(s, siocsifflags, struct.pack("16sH14s", b"lo", flags | iff_up, b""))
    return True


def find_programs():
    """The browser and its driver, or None."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    def __init__(self, folder):
        """`folder` is for what the browser writes; it must be empty or new."""
        self.folder = folder
        self.driver = self.session = None

    def __enter__(self):
        browser, driver = find_programs()
        home = os.path.join(self.folder, "home")
        os.makedirs(home)
        env = dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home, XDG_RUNTIME_DIR=home,
                   DBUS_SESSION_BUS_ADDRESS="disabled:")
        self.log = open(os.path.join(self.folder, "driver.log"), "w+", encoding="utf-8", errors="replace")
        # Port 0: the kernel chooses; the driver says which.
        self.driver = subprocess.Popen([driver, "--port=0"], stdin=subprocess.DEVNULL, stdout=self.log,
                                       stderr=subprocess.STDOUT, env=env, start_new_session=True)
        try:
            self.port = int(self.wait("the driver to start", self._port))
            options = {
                "binary": browser,
                "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync",
                         "--disable-dev-shm-usage", "--disable-extensions", "--hide-scrollbars",
                         "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1366,768",
                         "--user-data-dir=" + os.path.join(self.folder, "profile")],
            }
            made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
            self.session = made["sessionId"]
            self.name = made["capabilities"]["browserName"] + " " + made["capabilities"]["browserVersion"]
            self.call("POST", "/timeouts", {"script": LIMIT_S * 1000, "pageLoad": LIMIT_S * 1000})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        if self.session:
            try:
                self.call("DELETE", "")
            except (Failure, OSError, http.client.HTTPException):
                pass
            self.session = None
        if self.driver:
            self.driver.terminate()
            try:
                self.driver.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.driver.kill()
                self.driver.wait()
            self.driver = None
        self.log.close()

    def _port(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            text = f.read()
        if self.driver.poll() is not None:
            raise Failure("chromedriver ended: " + text[-500:])
        m = re.search(r"started successfully on port (\d+)", text)
        return m and m.group(1)

    def wait(self, what, condition):
        """Wait until condition() is true; returns what it gave."""
        end = time.monotonic() + LIMIT_S
        while True:
            got = condition()
            if got:
                return got
            if time.monotonic() > end:
                raise Failure("waited in vain for " + what)
            time.sleep(0.02)

    def call(self, method, path, body=None):
        """One command; its value."""
        if self.session:
            path = "/session/" + self.session + path
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2 * LIMIT_S)
        try:
            c.request(method, path, json.dumps(body if body is not None else {}) if method == "POST" else None,
                      {"Content-Type": "application/json"})
            r = c.getresponse()
            value = json.loads(r.read())["value"]
        finally:
            c.close()
        if r.status != 200:
            raise Failure(f"{method} {path}: {value.get('error')}: {value.get('message', '')[:400]}")
        return value

    def cdp(self, command, **params):
        """A command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    # ---- the page -------------------------------------------------------------------

    def open(self, path):
        """Load a file; forgets what was logged before."""
        self.call("POST", "/url", {"url": "about:blank"})
        self.logged("browser")
        self.logged("performance")
        self.call("POST", "/url", {"url": "file://" + os.path.abspath(path)})

    def run(self, script, *args):
        """The body of a function, with `arguments`."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def box(self, selector):
        """x, y, width and height in the window."""
        return self.run("const r = document.querySelector(arguments[0]).getBoundingClientRect();"
                        "return [r.x, r.y, r.width, r.height]", selector)

    def actions(self, *sources):
        self.call("POST", "/actions", {"actions": list(sources)})

    def move(self, x, y):
        self.actions({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [
            {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}]})

    def click(self, x, y):
        self.actions({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [
            {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]})

    def click_on(self, selector):
        self.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", selector)
        x, y, w, h = self.box(selector)
        self.click(x + w / 2, y + h / 2)

    def keys(self, *keys):
        """Press keys, each by its name or as a text."""
        todo = []
        for k in keys:
            for c in [KEYS[k]] if k in KEYS else k:
                todo += [{"type": "keyDown", "value": c}, {"type": "keyUp", "value": c}]
        self.actions({"type": "key", "id": "keys", "actions": todo})

    def choose(self, selector, text):
        """Choose an entry of a select element."""
        self.run("const s = document.querySelector(arguments[0]);"
                 "s.value = [...s.options].find((o) => o.textContent === arguments[1]).value;"
                 "s.dispatchEvent(new Event('change', { bubbles: true }))", selector, text)

    def media(self, scheme, kind=""):
        """Show it in a colour scheme, light or dark; kind `print`: as printed."""
        self.cdp("Emulation.setEmulatedMedia", media=kind, features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width, height, ratio=1):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False)

    def picture(self, keep=None, whole=False):
        """A screenshot, read when it is asked; keep: also as this file; whole: the page, not the window."""
        if whole:
            data = self.cdp("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        else:
            data = self.call("GET", "/screenshot")
        data = base64.b64decode(data)
        if keep:
            with open(keep, "wb") as f:
                f.write(data)
        return Picture(data)

    def printed(self):
        """The page as PDF."""
        return base64.b64decode(self.call("POST", "/print", {}))

    def logged(self, kind):
        return self.call("POST", "/se/log", {"type": kind})

    def complaints(self):
        """What the console was told since the page was opened: errors, warnings, refusals."""
        return [e["message"] for e in self.logged("browser") if e["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """Every address that was asked for since the page was opened."""
        found = []
        for e in self.logged("performance"):
            m = json.loads(e["message"])["message"]
            if m["method"] == "Network.requestWillBeSent":
                found.append(m["params"]["request"]["url"])
            elif m["method"] == "Network.webSocketCreated":
                found.append(m["params"]["url"])
        return found


class Picture:
    """A PNG file, 8 bits a colour: rows of bytes."""

    def __init__(self, data):
        self.data = data
        self._rows = None

    @property
    def rows(self):
        if self._rows is None:
            self._rows = self._read(self.data)
        return self._rows

    def _read(self, data):
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            raise Failure("no PNG file")
        at, packed = 8, b""
        while at < len(data):
            n, kind = struct.unpack(">I4s", data[at:at + 8])
            part = data[at + 8:at + 8 + n]
            if kind == b"IHDR":
                self.width, self.height, depth, colours, _, _, laced = struct.unpack(">IIBBBBB", part)
            elif kind == b"IDAT":
                packed += part
            at += n + 12
        if depth != 8 or colours not in (2, 6) or laced:
            raise Failure(f"a PNG file of another kind: {depth} {colours} {laced}")
        self.step = 3 if colours == 2 else 4
        return self._unfilter(zlib.decompress(packed))

    def _unfilter(self, raw):
        """Undo the filters of PNG (https://www.w3.org/TR/png-3/, section 9)."""
        step, n, at, rows, before = self.step, self.width * self.step, 0, [], bytes(self.width * self.step)
        for _ in range(self.height):
            kind, row = raw[at], bytearray(raw[at + 1:at + 1 + n])
            if kind == 1:
                for k in range(step):  # each colour by itself: running sums
                    row[k::step] = bytes(v & 255 for v in itertools.accumulate(row[k::step]))
            elif kind == 2:
                row = bytearray(a + b & 255 for a, b in zip(row, before))
            elif kind == 3:
                for i in range(n):
                    row[i] = row[i] + ((row[i - step] if i >= step else 0) + before[i]) // 2 & 255
            elif kind == 4:
                for i in range(n):
                    a, b, c = (row[i - step], before[i], before[i - step]) if i >= step else (0, before[i], 0)
                    p = a + b - c
                    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                    row[i] = row[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c) & 255
            rows.append(bytes(row))
            before, at = row, at + n + 1
        return rows

    def at(self, x, y):
        row, i = self.rows[int(y)], int(x) * self.step
        return tuple(row[i:i + 3])

    def colours(self, x, y, width, height):
        """colour -> how many pixels, in a rectangle as far as it is in the picture."""
        count, rows = collections.Counter(), self.rows[max(0, int(y)):int(y + height)]
        for row in rows:
            part = row[max(0, int(x)) * self.step:min(int(x + width), self.width) * self.step]
            count.update(zip(part[0::self.step], part[1::self.step], part[2::self.step]))
        return count
