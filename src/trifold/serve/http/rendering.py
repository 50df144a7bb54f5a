"""The pages of the server of trained runs."""

from trifold.web import rendering

_PACKAGE = "trifold.serve.http"


def render(template: str, **values: object) -> str:
    """A page, or a part of one."""
    return rendering.render(_PACKAGE, template, **values)


def asset(name: str) -> str:
    """A style sheet, script or picture by its name."""
    return rendering.asset(_PACKAGE, name)
