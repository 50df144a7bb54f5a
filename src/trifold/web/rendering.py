"""Pages of a server from templates, with the report's style sheet and nothing from outside."""

import time
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from trifold import formatting
from trifold.evaluate.plot_style import DARK, LIGHT

_FILTERS = ("counted", "duration", "megabytes", "percent", "shortened")
# Of what a page is made of, by how its name ends.
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def _environment(package: str) -> Environment:
    packages = (package, "trifold.web", "trifold.evaluate")
    found = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in packages]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters |= {name: getattr(formatting, name) for name in _FILTERS} | {
        "thousands": "{:,}".format,
        "clock": _clock,
    }
    return found


def _clock(seconds: float) -> str:
    """Seconds since 1970 as a day and a time here."""
    return time.strftime("%d %b, %H:%M", time.localtime(seconds))


def render(package: str, template: str, **values: object) -> str:
    """A page, or a part of one.

    Args:
        package: Whose templates come before those that all servers have.
        template: Its name.
        values: What it names.
    """
    return _environment(package).get_template(template).render(values)


@cache
def asset(package: str, name: str) -> str:
    """A style sheet, script or picture by its name; style sheets are templates of colours."""
    if name.endswith(".css"):
        return render(package, name, light=LIGHT, dark=DARK)
    environment = _environment(package)
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
