"""Pages from templates: one file each, without any outside part."""

import base64
import hashlib
import importlib.resources
import re
from pathlib import Path

from markupsafe import Markup, escape

from trifold import formatting
from trifold.atomic import write_text
from trifold.evaluate.plot_style import DARK, LIGHT

_FLAG = re.compile(r"(--[a-z][a-z-]*)")
_FILTERS = (
    "counted",
    "duration",
    "interval",
    "megabytes",
    "milliseconds",
    "percent",
    "points",
    "points_up",
    "shortened",
)


def write_page(folder: Path, template: str, **values: object) -> None:
    """Write `report.html` into `folder`, from a template and what it names."""
    write_text(folder / "report.html", make_page(template, **values))


def make_page(template: str, **values: object) -> str:
    """A page from a template and what it names."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("trifold.evaluate"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    script = (importlib.resources.files("trifold.evaluate") / "templates" / "mistakes.js").read_text(encoding="utf-8")
    environment.filters |= {name: getattr(formatting, name) for name in _FILTERS}
    environment.filters |= {"thousands": "{:,}".format, "flags": _flags_whole}
    shared = {"light": LIGHT, "dark": DARK, "script": script, "policy": _policy(script)}
    return environment.get_template(template).render(values, **shared)


def _flags_whole(sentence: str) -> Markup:
    """A sentence in which no flag is cut where a line ends."""
    # As a plain string: parts that are put into `Markup` would be escaped.
    escaped = str(escape(sentence))
    return Markup(_FLAG.sub(r'<span class="flag">\1</span>', escaped))  # noqa: S704


def _policy(script: str) -> str:
    """What a page may load and run: nothing but what stands in it, and of scripts this one alone.

    A text that some day was shown without its markup being taken as text would find that its script does not run.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
