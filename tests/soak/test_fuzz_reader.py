"""Long fuzzing of the reader: whatever the bytes, rows are accounted for or the file is refused in one sentence."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trifold.data.open_file import open_table
from trifold.errors import DataError
from trifold.types import BadRow, Record

PIECES = st.sampled_from(
    [b"text", b",", b"label", b"\n", b"\r\n", b"\r", b'"', b'""', b"\\", b"\t", b";", b"|", b"\x00", b"\xff", b"\xfe",
     "é".encode(), "\u2028".encode(), b"\xef\xbb\xbf", b"a b c", b"1", b" ", b"\x1f", b"'"]
)  # fmt: skip
CONTENT = st.lists(PIECES | st.binary(max_size=8), max_size=200).map(b"".join)


def read(path: Path) -> tuple[list[Record | BadRow], str]:
    """The rows, or the sentence that refuses the file."""
    try:
        return list(open_table(path).rows()), ""
    except DataError as error:
        return [], str(error)


@pytest.mark.soak
@settings(max_examples=50_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=CONTENT)
def test_any_bytes_are_read_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "fuzz.csv"
    path.write_bytes(content)
    rows, refusal = read(path)
    assert "\n" not in refusal
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    for row in rows:
        assert isinstance(row, Record) or (isinstance(row, BadRow) and row.reason)
        "".join(str(value) for value in row.values.values()).encode()
