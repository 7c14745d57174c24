# SPDX-License-Identifier: Apache-2.0
"""
pages.py - the pages that otheap makes, in one browser.

    pages.py FOLDER        the folder of pages and profiles that browser.sh made

BROWSER_PICTURES=FOLDER keeps screenshots.
"""
import os
import sys

import checks
import flame_page
import report_page
from webdriver import Browser, cut_off


def main(folder):
    keep_in = os.environ.get("BROWSER_PICTURES")

    def keep(what):
        return os.path.join(keep_in, what + ".png") if keep_in else None
    # Where this is allowed, there is no network to ask at all.
    print("# cut off from every network" if cut_off() else "# not allowed to be cut off from the network")
    with Browser(os.path.join(folder, "browser")) as b:
        print("# " + b.name)
        for module in flame_page, report_page:
            for part in module.PARTS:
                checks.guarded(f"{module.__name__}: {part.__name__}", part, b, folder, keep)
    return 1 if checks.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except Exception as e:  # the browser did not start, or died
        checks.not_ok("browser", f"{type(e).__name__}: {e}")
        sys.exit(1)
