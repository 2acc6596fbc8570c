"""The version of this distribution, as its own metadata says."""

from importlib import metadata

try:
    VERSION = metadata.version("holdfast-aws")
except metadata.PackageNotFoundError:
    # Run from a checkout, where it is not installed.
    VERSION = "0"
