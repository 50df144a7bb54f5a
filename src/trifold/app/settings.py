"""Where an app listens and keeps its work."""

from dataclasses import dataclass
from pathlib import Path

from trifold.errors import require

_MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """Where an app listens and keeps its work.

    Attributes:
        port: Port to listen at, on this machine alone; 0 takes a free one, which is said.
        folder: Folder for files that are given, models and results; it is made where there is none.
        open: Open the page in the browser.
        max_file_megabytes: Size of a file that is given.
    """

    port: int = 8765
    folder: Path = Path("trifold-app")
    open: bool = True
    max_file_megabytes: float = 1_000.0

    def __post_init__(self) -> None:
        require(0 <= self.port < 65_536, f"--port {self.port}", "give 1 to 65535, or 0 for a free one")
        most = self.max_file_megabytes
        require(most > 0, f"--max-file-megabytes {most:g}", "give more than 0")

    @property
    def max_file_bytes(self) -> int:
        """The largest file."""
        return int(self.max_file_megabytes * _MEGABYTE)
