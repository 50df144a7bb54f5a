"""The package's version, read by the build and recorded in every run, and the versions of other packages."""

from contextlib import suppress
from functools import cache

VERSION = "0.1.0"


@cache
def installed_versions(*packages: str) -> dict[str, str]:
    """The version of each of these packages that is installed, by its name; none is imported for that."""
    import importlib.metadata

    found = {}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
