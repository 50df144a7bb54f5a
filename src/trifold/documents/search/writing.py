"""The folder of an index as the one who brings it up to date sees it: one writer at a time, and any number of readers.

current.json       names the current generation; replaced last, in one step
generations/N/     what that build made: record, documents, owners of the passages, keywords, approximate index
segments/          passages, each file written once; a generation uses those of the ones before it as well
unfinished/        vectors that a build computed and has not put into a segment yet
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trifold.atomic import remove, sync, sync_folder, write_json
from trifold.documents.search.generation import (
    DIGESTS,
    GENERATIONS,
    OWNERS,
    SEGMENTS,
    UNFINISHED,
    Generation,
    current_generation,
    verified_record,
    verify,
    with_current,
)
from trifold.documents.search.records import CURRENT, INDEX, CurrentRecord, IndexRecord
from trifold.errors import ArtifactError, SettingsError
from trifold.events import say
from trifold.file_lock import locked, parents_of, real
from trifold.folder_kinds import kind_of
from trifold.hashing import file_sha256

_OURS = frozenset({CURRENT, GENERATIONS, SEGMENTS, UNFINISHED})


class IndexFolder:
    """An index that this process alone writes.

    Args:
        folder: The index.

    Attributes:
        folder: The index.
        hashes: Of the files of its segments, by name.
        known: What its current generation is made of; `None` where there is none, or that cannot be told.
        previous: Its current generation; `None` where there is none, or what a build goes on from is damaged.
        segments: Where segments lie.
        unfinished: Where journals lie.
        name: Of the generation that is being built, and how names of its segments begin.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.segments, self.unfinished = folder / SEGMENTS, folder / UNFINISHED
        self._generations = folder / GENERATIONS
        self.known: IndexRecord | None = None
        self.previous: Generation | None = None
        if (folder / CURRENT).exists():
            try:
                self.known = verified_record(folder, folder / GENERATIONS / current_generation(folder))
                self.previous = _undamaged(folder)
            except ArtifactError as error:
                say(f"note: {str(error).rpartition(': ')[0]}: the index is built anew")
        hashes = self.previous.record.sha256 if self.previous else {}
        self.hashes = {name: found for name, found in hashes.items() if name.startswith(f"{SEGMENTS}/")}
        for made in (self.unfinished, self.segments, self._generations):
            made.mkdir(exist_ok=True)
        taken = [path.stem.partition("-")[0] for kind in (self.segments, self._generations) for path in kind.iterdir()]
        self.name = f"{1 + max((int(name) for name in taken if name.isdecimal()), default=0):06d}"
        if self.previous is not None or not (folder / CURRENT).exists():
            self._clear(self.previous)

    @contextmanager
    def new_generation(self) -> Iterator[Path]:
        """A folder to write the generation into; it is removed where that fails."""
        aside = self._generations / f"{self.name}.partial"
        aside.mkdir()
        try:
            yield aside
        finally:
            remove(aside)

    def open_aside(self, aside: Path) -> Generation:
        """The generation that is being built, as far as it is written."""
        return Generation(self.folder, aside, verified=False)

    def publish(self, aside: Path) -> None:
        """Make the generation that is being built the current one, once it is seen to be whole; older ones are removed.

        Raises:
            ArtifactError: If it is not whole: the one before it stays.
        """
        generation = self.open_aside(aside)
        verify(self.folder, aside, generation.record, generation.record.sha256.keys() - self.hashes.keys())
        sync_folder(aside)
        place = self._generations / self.name
        aside.rename(place)
        sync(self._generations)
        sync(self.segments)
        write_json(self.folder / CURRENT, CurrentRecord(self.name, file_sha256(place / INDEX)).as_json())
        remove(self.unfinished)
        self._clear(Generation(self.folder, place, verified=False))

    def give_up(self, *, new: bool) -> None:
        """Clear away what a build that came to nothing began; the vectors that it computed stay for the next one.

        Args:
            new: Whether the folder was made for this build.
        """
        current = (self.folder / CURRENT).exists()
        if self.previous is not None or not current:
            self._clear(self.previous)
        if not any(path.stat().st_size for path in self.unfinished.rglob("*") if path.is_file()):
            remove(self.unfinished)
        if current or self.unfinished.exists():
            return
        for made in (self.segments, self._generations):
            remove(made)
        if new:
            with suppress(OSError):
                self.folder.rmdir()

    def _clear(self, kept: Generation | None) -> None:
        """Remove what no reader of a generation needs; readers that have older files open go on with them."""
        names = {one.name for one in kept.record.segments} if kept else set()
        for path in self.segments.iterdir():
            if path.stem not in names:
                remove(path)
        for path in self._generations.iterdir():
            if kept is None or path.name != kept.path.name:
                remove(path)


def _undamaged(folder: Path) -> Generation:
    """The current generation, of which everything that the next one takes over was looked at.

    Raises:
        ArtifactError: If some of that is not what was written.
    """

    def opened(path: Path) -> Generation:
        record = verified_record(folder, path)
        segments = [name for name in record.sha256 if name.startswith(f"{SEGMENTS}/")]
        verify(folder, path, record, [*segments, OWNERS, DIGESTS])
        return Generation(folder, path, verified=False)

    return with_current(folder, opened)


@contextmanager
def writing(folder: Path) -> Iterator[IndexFolder]:
    """An index to be written; no other process writes it meanwhile.

    Raises:
        SettingsError: If another process does, the folder holds something else, or it cannot be written.
    """
    place = real(folder)
    try:
        with parents_of(place), locked(place, "name another --index"):
            if place.exists() and not place.is_dir():
                raise SettingsError(f"{folder} is a file: name a folder as --index")
            new = not place.exists()
            place.mkdir(exist_ok=True)
            others = sorted(path.name for path in place.iterdir() if path.name not in _OURS and path.name[0] != ".")
            if others:
                kind = kind_of(place)
                raise SettingsError(
                    f"{folder} holds something else ({kind.name if kind else others[0]}): name another --index"
                )
            index = IndexFolder(place)
            try:
                yield index
            except BaseException:
                index.give_up(new=new)
                raise
    except PermissionError as error:
        raise SettingsError(f"{folder} cannot be written to ({error.strerror}): name another --index") from None
