"""The picture of a report in the README: its first screen, as a browser shows it.

    python benchmarks/report_picture.py RUN_FOLDER docs/images/report.png

RUN_FOLDER is that of a comparison, such as `trifold demo` makes. It needs Chromium, and Playwright of the extra `dev`.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

_WIDTH, _SCALE, _COLOURS = 960, 1.5, 64
_MOST_BYTES = 150_000


def take(run: Path, picture: Path) -> None:
    """Write the picture: from the title to the plot of score against cost, in few colours."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium on this machine: install it, as .ci/run does")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": 900}, device_scale_factor=_SCALE)
        page.goto((run.resolve() / "report.html").as_uri())
        end = page.locator("main > .side").bounding_box()
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(
            path=picture,
            full_page=True,
            clip={"x": 0, "y": 0, "width": _WIDTH, "height": end["y"] + end["height"] + 4},
        )
        browser.close()
    Image.open(picture).convert("RGB").quantize(_COLOURS).save(picture, optimize=True)
    size = picture.stat().st_size
    print(f"{picture}: {size:,} bytes")
    if size > _MOST_BYTES:
        sys.exit(f"more than {_MOST_BYTES:,}: give a comparison of fewer methods, or fewer colours")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/report_picture.py RUN_FOLDER PICTURE.png")
    take(Path(sys.argv[1]), Path(sys.argv[2]))
