"""The package's version, read by the build, and those of what it computes with; both are recorded in every run."""

import importlib.metadata
import platform

VERSION = "0.1.0"
_PACKAGES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")


def versions() -> dict[str, str]:
    """Versions of what computes, for `run.json`; nothing is imported for it."""
    packages = {package: package_version(package) or "not installed" for package in _PACKAGES}
    return {"trifold": VERSION, "python": platform.python_version(), **packages}


def package_version(name: str) -> str | None:
    """The version of an installed package, without importing it; `None` where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
