"""Bars files read in a thread of their own, while the process loads the packages that will work on them.

Reading, hashing and decoding leave the interpreter to others, and loading packages needs nothing else: on two cores the
files cost no time of their own. What is wrong with a file is raised where its content is asked for, as by `read_files`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from axiomd.feeds.files import BarFile, BarPaths, read_files


class BarsAhead:
    """The files behind a path, being read since this was made."""

    def __init__(self, paths: BarPaths) -> None:
        reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bars")
        self._files = reader.submit(read_files, paths)
        reader.shutdown(wait=False)

    def files(self) -> list[BarFile]:
        """Wait for the files and give them once: this keeps none of them. Raises as `read_files` does."""
        files = self._files.result()
        del self._files
        return files
