"""Name the version of axiomd; importing the package costs nothing and loads nothing else."""

__version__ = "0.1.0"
