"""The store on disk: what it gives back, what a kill leaves, what it may take."""

import json
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from trifold.cache_folder import clear
from trifold.features.background_writer import Segment, kept_or_computed
from trifold.features.half_precision import half
from trifold.features.store import Store
from trifold.features.store_limits import list_stores, shrink
from trifold.hashing import content_address

KIND: dict[str, object] = {"what": "test", "weights": "abc"}
WIDTH = 4


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


def array(number: int) -> np.ndarray:
    return np.full((number % 3 + 1, WIDTH), number, dtype=np.float16)


def filled(root: Path, *numbers: int, limit: int = 1 << 30, **kind: object) -> Store:
    store = Store({**KIND, **kind}, WIDTH, limit, root)
    store.write([digest(n) for n in numbers], [array(n) for n in numbers], float(len(numbers)))
    return store


def test_what_was_written_is_there_for_others(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3)
    filled(tmp_path, 4, 5)
    back = Store(KIND, WIDTH, 1 << 30, tmp_path)
    for number in range(1, 6):
        np.testing.assert_array_equal(back.read(digest(number)), array(number))
    assert digest(6) not in back
    assert back.seconds([digest(1), digest(4)]) == pytest.approx(2.0)


def test_another_kind_is_another_store(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    assert digest(1) not in Store({**KIND, "weights": "other"}, WIDTH, 1 << 30, tmp_path)


def test_half_precision_clips_what_it_cannot_hold() -> None:
    assert half(np.array([1e9, -1e9, 1.5])).tolist() == [65504.0, -65504.0, 1.5]


@pytest.mark.parametrize("harm", ["no index", "short data", "no data", "garbage index", "cut index"])
def test_what_is_damaged_is_computed_again(harm: str, tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (index,) = tmp_path.glob("features/*/*.npz")
    data = index.with_suffix(".bin")
    if harm == "no index":
        index.unlink()
    elif harm == "short data":
        data.write_bytes(data.read_bytes()[:-8])
    elif harm == "no data":
        data.unlink()
    elif harm == "garbage index":
        index.write_bytes(b"PK nonsense")
    else:
        index.write_bytes(index.read_bytes()[:100])
    store = Store(KIND, WIDTH, 1 << 30, tmp_path)
    assert digest(1) not in store
    store.write([digest(1)], [array(1)], 1.0)
    assert digest(1) in Store(KIND, WIDTH, 1 << 30, tmp_path)


WRITER = """
import sys, numpy as np
from pathlib import Path
from trifold.features.store import Store
store = Store({"what": "test", "weights": "abc"}, 4, 1 << 40, Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    digests = [(number + i).to_bytes(16, "big") for i in range(50)]
    store.write(digests, [np.full((3, 4), (number + i) % 1000, dtype=np.float16) for i in range(50)], 1.0)
    number += 50
"""


def test_killed_while_writing_it_holds_nothing_wrong(tmp_path: Path) -> None:
    for moment in (0.03, 0.1, 0.17, 0.24, 0.31):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
        store = Store(KIND, WIDTH, 1 << 40, tmp_path)
        found = [number for number in range(100_000) if digest(number) in store]
        assert len(found) % 50 == 0
        for number in found:
            np.testing.assert_array_equal(store.read(digest(number)), np.full((3, 4), number % 1000))


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        filled(tmp_path, number, weights=f"w{number}")
        for path in tmp_path.glob("features/*/*.npz"):
            os.utime(path, (path.stat().st_mtime - 100, path.stat().st_mtime - 100))
    # Reading counts as use.
    Store({**KIND, "weights": "w1"}, WIDTH, 1 << 30, tmp_path)
    sizes = [
        sum(f.stat().st_size for f in path.parent.glob("*.*") if f.suffix != ".json")
        for path in tmp_path.glob("features/*/*.npz")
    ]
    shrink(sum(sizes) - 1, tmp_path / "features")
    left = {
        number
        for number in (1, 2, 3)
        if digest(number) in Store({**KIND, "weights": f"w{number}"}, WIDTH, 1 << 30, tmp_path)
    }
    assert left == {1, 3}


def test_what_killed_processes_left_is_cleared_when_it_is_old(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (index,) = tmp_path.glob("features/*/*.npz")
    fresh, old = index.with_name("fresh.bin"), index.with_name("old.bin")
    for path in (fresh, old):
        path.write_bytes(b"half a segment")
    os.utime(old, (0, 0))
    shrink(1 << 30, tmp_path / "features")
    assert fresh.exists()
    assert not old.exists()
    assert digest(1) in Store(KIND, WIDTH, 1 << 30, tmp_path)


def test_a_store_that_holds_nothing_any_more_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name in ("fresh", "old"):
        filled(tmp_path, 1, weights=name)
    folders = {store.described["weights"]: store.folder for store in list_stores(tmp_path)}
    os.utime(folders["old"] / "kind.json", (0, 0))
    shrink(0, tmp_path / "features")
    shrink(0, tmp_path / "features")
    assert folders["fresh"].exists()
    assert not folders["old"].exists()


def test_stores_are_listed_and_cleared(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2)
    filled(tmp_path, 1, weights="other")
    found = {str(store.described["weights"]): store for store in list_stores(tmp_path)}
    assert {name: store.texts for name, store in found.items()} == {"abc": 2, "other": 1}
    assert clear(tmp_path) == sum(store.size_bytes for store in found.values())
    assert list_stores(tmp_path) == []
    assert clear(tmp_path) == 0


def segments(count: int) -> Callable[[list[int]], Iterator[Segment]]:
    """What computes missing arrays, two at a time, for `count` segments."""

    def compute(missing: list[int]) -> Iterator[Segment]:
        for part in np.array_split(missing, count) if missing else ():
            yield Segment(part.tolist(), [array(int(number)) for number in part], 1.0)

    return compute


class Slow(Store):
    """A store on a disk that writes when it is let."""

    let: Event
    written = 0

    def write(self, digests: Sequence[bytes], arrays: Sequence[np.ndarray], seconds: float) -> None:
        assert self.let.wait(60)
        time.sleep(0.02)
        super().write(digests, arrays, seconds)
        self.written += 1


@pytest.fixture
def slow(tmp_path: Path) -> Slow:
    store = Slow(KIND, WIDTH, 1 << 30, tmp_path)
    store.let = Event()
    return store


def test_what_is_computed_serves_while_it_is_being_written(slow: Slow, tmp_path: Path) -> None:
    digests = [digest(number) for number in range(6)]
    with kept_or_computed(slow, digests, segments(3)) as (arrays, cached_seconds):
        assert cached_seconds == 0.0
        assert slow.written == 0
        in_memory = [weakref.ref(one) for one in arrays]
        for number, one in enumerate(arrays):
            np.testing.assert_array_equal(one, array(number))
        del one
        slow.let.set()
        # From then on the file's pages serve, and nothing holds what was computed.
        deadline = time.monotonic() + 10
        while any(one() is not None for one in in_memory) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(one() is not None for one in in_memory)
        assert all(isinstance(one, np.memmap) for one in arrays)
    assert slow.written == 3
    for number, one in enumerate(arrays):
        np.testing.assert_array_equal(one, array(number))
    with kept_or_computed(Store(KIND, WIDTH, 1 << 30, tmp_path), digests, segments(3)) as (_, cached_seconds):
        assert cached_seconds == pytest.approx(3.0)


def test_where_memory_is_short_one_segment_waits_for_the_other(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifold.features.background_writer.memory_bytes", lambda: 0)
    seen: list[int] = []

    def compute(missing: list[int]) -> Iterator[Segment]:
        for part in segments(4)(missing):
            yield part
            # Asked for the next one: what came before the last is written by now.
            seen.append(slow.written)
            slow.let.set()

    with kept_or_computed(slow, [digest(number) for number in range(8)], compute):
        pass
    assert seen[0] == 0
    assert all(written >= number for number, written in enumerate(seen))


def test_what_was_computed_is_kept_though_its_use_fails(tmp_path: Path) -> None:
    digests = [digest(number) for number in range(4)]
    with (
        pytest.raises(ZeroDivisionError),
        kept_or_computed(Store(KIND, WIDTH, 1 << 30, tmp_path), digests, segments(2)),
    ):
        raise ZeroDivisionError
    assert all(one in Store(KIND, WIDTH, 1 << 30, tmp_path) for one in digests)


def test_what_cannot_be_written_serves_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    (tmp_path / "features").write_text("a file stands in the way")
    store = Store(KIND, WIDTH, 1 << 30)
    with kept_or_computed(store, [digest(number) for number in range(4)], segments(2)) as (arrays, _):
        pass
    for number, one in enumerate(arrays):
        np.testing.assert_array_equal(one, array(number))
    assert capsys.readouterr().err.count("going on without it") == 1


def test_an_address_holds_format_width_kind_and_what_computed(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    assert digest(1) in Store(KIND, WIDTH, 1 << 30, tmp_path)
    assert digest(1) not in Store(KIND, 2 * WIDTH, 1 << 30, tmp_path)
    assert digest(1) not in Store(KIND, WIDTH, 1 << 30, tmp_path, np.int16)
    (described,) = tmp_path.glob("features/*/kind.json")
    facts = json.loads(described.read_text())
    assert facts.keys() >= {*KIND, "format", "width", "dtype", "trifold", "torch", "transformers", "tokenizers"}
    # Whatever of these changes, the store is another one.
    assert described.parent.name == content_address(facts)


def test_clearing_beside_a_writer_costs_it_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digests = [digest(number) for number in range(300)]
    done = Event()

    def clear_again_and_again() -> None:
        while not done.is_set():
            clear(tmp_path)

    thread = Thread(target=clear_again_and_again)
    thread.start()
    try:
        with kept_or_computed(Store(KIND, WIDTH, 1 << 30, tmp_path), digests, segments(60)) as (arrays, _):
            pass
    finally:
        done.set()
        thread.join()
    for number, one in enumerate(arrays):
        np.testing.assert_array_equal(one, array(number))
    assert "going on without it" not in capsys.readouterr().err
    # What is left of it is whole, and what is written from now on stays.
    store = Store(KIND, WIDTH, 1 << 30, tmp_path)
    for number, one in enumerate(digests):
        if one in store:
            np.testing.assert_array_equal(store.read(one), array(number))
    filled(tmp_path, 7)
    assert digest(7) in Store(KIND, WIDTH, 1 << 30, tmp_path)


def test_what_another_process_is_writing_is_left_to_it(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (index,) = tmp_path.glob("features/*/*.npz")
    fresh, old = index.with_suffix(".bin.partial"), index.with_suffix(".npz.partial")
    for path in (fresh, old):
        path.write_bytes(b"half a segment")
    os.utime(old, (0, 0))
    clear(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [fresh]


@pytest.mark.parametrize("kind", ["[]", "null", '{"layer": 1}', '{"what": {}}', "[" * 10_000, ""])
def test_a_damaged_store_is_listed_as_such(kind: str, tmp_path: Path) -> None:
    filled(tmp_path, 1)
    next(tmp_path.glob("features/*/kind.json")).write_text(kind)
    assert list_stores(tmp_path)[0].described["what"] == "damaged, to be cleared"


@pytest.mark.parametrize(
    "changed",
    [
        {"offsets": np.array([0, 99])},
        {"offsets": np.array([1, 2])},
        {"offsets": np.array([0.0, 2.0])},
        {"digests": np.zeros((1, 3), np.uint8)},
        {"digests": np.zeros((0, 16), np.uint8)},
        {"seconds": np.float64("nan")},
        {"seconds": np.array(["x"])},
    ],
    ids=str,
)
def test_an_index_of_another_shape_is_none(changed: dict[str, np.ndarray], tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (index,) = tmp_path.glob("features/*/*.npz")
    np.savez(index, **{**dict(np.load(index)), **changed})
    assert digest(1) not in Store(KIND, WIDTH, 1 << 30, tmp_path)
