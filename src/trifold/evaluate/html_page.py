"""Pages from templates: one file each, without any outside part."""

from pathlib import Path

from trifold.atomic import write_text


def write_page(folder: Path, template: str, **values: object) -> None:
    """Write `report.html` into `folder`, from a template and what it names."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("trifold.evaluate"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template(template).render(values)
    write_text(folder / "report.html", page)
