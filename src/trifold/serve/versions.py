"""Which version of each run answers, and how a new one takes its place."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from trifold.errors import TrifoldError, first_line
from trifold.events import with_this_sink
from trifold.serve.errors import StoppingError, UnknownRunError
from trifold.serve.lanes import Lanes
from trifold.serve.opening import RunOpener, Version
from trifold.serve.passes import Pass
from trifold.serve.served_run import ServedRun


class Versions:
    """The versions that answer at this moment; a request holds the one that it came to.

    Args:
        folders: Name of each run to its folder.
        opener: Opens them.
        lanes: Compute a text with each before it answers.

    Attributes:
        runs: What is known of each, by name.
    """

    def __init__(self, folders: Mapping[str, Path], opener: RunOpener, lanes: Lanes) -> None:
        self.runs: Mapping[str, ServedRun] = {}
        self._folders, self._opener, self._lanes = dict(folders), opener, lanes
        self._versions: Mapping[str, Version] = {}
        # Opening takes seconds, which the event loop has not.
        self._thread = ThreadPoolExecutor(1, "trifold-opening")
        self._closed = False

    async def open_all(self) -> None:
        """Open every run.

        Raises:
            TrifoldError: If one cannot be opened.
        """
        for name, folder in self._folders.items():
            self._swap(await self.opened(name, folder))

    async def opened(self, name: str, folder: Path) -> Version:
        """Open a folder; a short text and a long one are computed with it.

        Raises:
            TrifoldError: If it cannot be opened, or does not work.
        """

        def opened() -> Version:
            version = self._opener.open(name, folder)
            self._lanes.warm_up(version)
            return version

        found: Version = await self.off_loop(with_this_sink(opened))
        return found

    async def off_loop(self, function: Callable[[], Any]) -> Any:
        """Call a function in the thread in which runs are opened.

        Raises:
            StoppingError: If nothing is opened any more.
        """
        if self._closed:
            raise StoppingError("the server is stopping: nothing is opened any more")
        running = asyncio.get_running_loop().run_in_executor(self._thread, function)
        try:
            return await running
        except asyncio.CancelledError:
            # Either by whoever waits for it, or since it had not begun when this was closed.
            if self._closed and running.cancelled():
                raise StoppingError("the server is stopping: nothing is opened any more") from None
            raise

    async def reload(self, run: str | None) -> dict[str, str]:
        """Open folders again. One that cannot be opened leaves its former version in use.

        Args:
            run: Name of the run; all of them where `None`.

        Returns:
            Each of them to its error, which is empty where the new version answers.

        Raises:
            UnknownRunError: If there is no such run.
        """
        names: Sequence[str] = list(self._folders) if run is None else [self[run].facts.name]
        errors = dict.fromkeys(names, "")
        for name in names:
            try:
                self._swap(await self.opened(name, self._folders[name]))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the folder, the former version goes on
                told = str(error) if isinstance(error, TrifoldError) else f"{type(error).__name__}: {first_line(error)}"
                errors[name] = told
        return errors

    def _swap(self, version: Version) -> None:
        """Let a version answer from the next request on."""
        # A new mapping, since requests hold the one that they came to.
        self._versions = {**self._versions, version.facts.name: version}
        by_pass: dict[Pass, list[str]] = {}
        for name, one in self._versions.items():
            by_pass.setdefault(one.work, []).append(name)
        self.runs = {
            name: replace(one.facts, shares_with=tuple(other for other in by_pass[one.work] if other != name))
            for name, one in self._versions.items()
        }

    def __getitem__(self, run: str) -> Version:
        """The version that answers.

        Raises:
            UnknownRunError: If there is no such run.
        """
        return version_of(self._versions, run)

    def at_present(self) -> Mapping[str, Version]:
        """The versions that answer at this moment, by name."""
        return self._versions

    def first(self) -> Version:
        """The version of the first run."""
        return next(iter(self._versions.values()))

    def close(self) -> None:
        """Open nothing more."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)


def version_of(versions: Mapping[str, Version], run: str) -> Version:
    """The version of a run.

    Raises:
        UnknownRunError: If there is no such run.
    """
    version = versions.get(run)
    if version is None:
        raise UnknownRunError(f"there is no run {run!r} here: name one of {', '.join(versions)}")
    return version
