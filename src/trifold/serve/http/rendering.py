"""Pages of a server from templates, with the report's style sheet and nothing from outside."""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from trifold import formatting
from trifold.evaluate.plot_style import DARK, LIGHT


@cache
def _environment() -> Environment:
    found = Environment(
        loader=ChoiceLoader([PackageLoader("trifold.serve.http"), PackageLoader("trifold.evaluate")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters |= {"percent": formatting.percent, "shortened": formatting.shortened, "thousands": "{:,}".format}
    return found


def render(template: str, **values: object) -> str:
    """A page, or a part of one."""
    return _environment().get_template(template).render(values)


@cache
def asset(name: str) -> str:
    """A style sheet, script or picture by its name; style sheets are templates of colours."""
    if name.endswith(".css"):
        return render(name, light=LIGHT, dark=DARK)
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
