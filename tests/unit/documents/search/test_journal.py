"""The journal keeps what was computed, and nothing that is not whole."""

from pathlib import Path

import numpy as np
import pytest

from trifold.documents.search.journal import Journal
from trifold.errors import ArtifactError


def vectors(*values: float) -> np.ndarray:
    return np.array([[value, -value] for value in values], dtype=np.float32)


def gathered(journal: Journal, *rows: int) -> list[list[float]]:
    into = np.empty((len(rows), 2), dtype=np.float16)
    journal.gather(np.array(rows, dtype=np.int64), into)
    return into.tolist()


def test_what_builds_before_computed_is_found_again(tmp_path: Path) -> None:
    first = Journal(tmp_path, "model", 2)
    assert first.append(["a", "b"], vectors(1, 2)) == 0
    assert gathered(first, 1, 0) == [[2, -2], [1, -1]]
    first.close()
    second = Journal(tmp_path, "model", 2)
    assert (second.recovered, second.find("b"), second.find("c")) == (2, 1, None)
    assert second.append(["c"], vectors(3)) == 2
    assert second.find("c") == 2
    second.close()
    third = Journal(tmp_path, "model", 2)
    assert (third.recovered, third.find("a"), third.find("c")) == (3, 0, 2)
    assert gathered(third, 2, 0) == [[3, -3], [1, -1]]
    third.close()


def test_a_vector_without_its_digest_is_not_trusted_and_half_a_one_neither(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "model", 2)
    journal.append(["a", "b"], vectors(1, 2))
    journal.close()
    digests, kept = tmp_path / "model" / "000000.digests", tmp_path / "model" / "000000.vectors"
    digests.write_bytes(digests.read_bytes()[:20])
    kept.write_bytes(kept.read_bytes()[:7])
    again = Journal(tmp_path, "model", 2)
    assert (again.recovered, again.find("a"), again.find("b")) == (1, 0, None)
    again.close()


def test_vectors_of_another_model_are_cleared_away(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "one", 2)
    journal.append(["a"], vectors(1))
    journal.close()
    other = Journal(tmp_path, "other", 2)
    assert (other.recovered, other.find("a")) == (0, None)
    other.close()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "model", 2)
    with pytest.raises(ArtifactError, match="not finite"):
        journal.append(["a"], vectors(np.nan))
    journal.close()
