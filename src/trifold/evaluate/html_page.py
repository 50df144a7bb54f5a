"""Pages from templates: one file each, without any outside part."""

from pathlib import Path

from trifold import formatting
from trifold.atomic import write_text
from trifold.evaluate.plot_style import DARK, LIGHT

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
    environment.filters |= {name: getattr(formatting, name) for name in _FILTERS}
    environment.filters["thousands"] = "{:,}".format
    return environment.get_template(template).render(values, light=LIGHT, dark=DARK)
