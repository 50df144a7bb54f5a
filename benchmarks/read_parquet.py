"""How fast Parquet is read, and in how much memory: our reader beside DuckDB, in turns, each in a process of its own.

    python benchmarks/read_parquet.py FILE.parquet [TURNS]

Nothing else may run meanwhile. Prints a line of JSON a turn; keeps nothing.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_BATCH_ROWS = 2_048


def by_trifold(path: str) -> Iterator[object]:
    """Rows by the reader of data files."""
    from trifold.data.open_file import open_table

    yield from open_table(Path(path)).rows()


def by_duckdb(path: str) -> Iterator[object]:
    """Rows by DuckDB, as many at a time."""
    import duckdb

    with duckdb.connect() as connection:
        cursor = connection.execute("SELECT * FROM read_parquet(?)", [path])
        while batch := cursor.fetchmany(_BATCH_ROWS):
            yield from batch


READERS: dict[str, Callable[[str], Iterator[object]]] = {"trifold": by_trifold, "duckdb": by_duckdb}


def measure(name: str, path: str) -> dict[str, object]:
    """Time and peak memory of this process; the imports count."""
    begun = time.perf_counter()
    rows = sum(1 for _ in READERS[name](path))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"reader": name, "rows": rows, "seconds": time.perf_counter() - begun, "peak_bytes": peak}


def main() -> None:
    """Each reader in a process of its own, in turns."""
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[3], sys.argv[1])))
        return
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    turns = sys.argv[2] if len(sys.argv) == 3 else "3"
    for _ in range(int(turns)):
        for name in READERS:
            subprocess.run([sys.executable, __file__, sys.argv[1], turns, name], check=True)


if __name__ == "__main__":
    main()
