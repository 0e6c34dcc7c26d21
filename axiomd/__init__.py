"""Name the version of axiomd; importing the package costs next to nothing and loads nothing of it but `native`."""

from axiomd import native as native

__version__ = "0.1.0"
