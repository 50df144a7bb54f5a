"""The package's version, read by the build and recorded in every run."""

VERSION = "0.1.0"
