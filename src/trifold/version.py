"""The package's version, read by the build, and those of what it computes with; both are recorded in every run."""

import platform
from contextlib import suppress
from functools import cache

VERSION = "0.1.0"
_PACKAGES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")


def versions() -> dict[str, str]:
    """Versions of Trifold, Python and the packages that compute, for `run.json`."""
    found = dict.fromkeys(_PACKAGES, "not installed") | installed_versions(*_PACKAGES)
    return {"trifold": VERSION, "python": platform.python_version(), **found}


@cache
def installed_versions(*packages: str) -> dict[str, str]:
    """The version of each of these packages that is installed, by its name; none is imported for that."""
    import importlib.metadata

    found = {}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def package_version(name: str) -> str | None:
    """The version of a package, without importing it; `None` if it is not installed."""
    return installed_versions(name).get(name)
