"""Data files of every format, damaged; and how many rows they have, counted by other means than Trifold's."""

import csv
import io
import json
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from soak.mutations import TEXTS, Rows, damage_bytes, damage_json, damage_rows, write_delimited

_TYPES = (
    pa.binary(), pa.large_string(), pa.list_(pa.string()), pa.struct([("a", pa.string())]), pa.map_(pa.string(), pa.string()),
    pa.bool_(), pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.date32(), pa.timestamp("ns", "UTC"), pa.null(),
    pa.decimal128(38, 10), pa.time64("us"), pa.duration("s"), pa.dictionary(pa.int8(), pa.string()),
)  # fmt: skip


def damaged_table(rng: random.Random, kind: str, rows: Rows) -> tuple[bytes, str]:
    """A file of one kind (`csv`, `tsv`, `jsonl`, `json`, `parquet`) with these rows, damaged, and what was done."""
    if rng.random() < 0.2:
        intact = {"csv": _delimited, "tsv": _tabbed, "jsonl": _lines, "json": _array, "parquet": _parquet}[kind](rows)
        return damage_bytes(rng, intact)
    if kind in ("csv", "tsv"):
        rows, what = damage_rows(rng, rows)
        data, how = write_delimited(rng, rows, "," if kind == "csv" else "\t")
        return data, f"{what}; {how}"
    return {"jsonl": _damaged_lines, "json": _damaged_array, "parquet": _damaged_parquet}[kind](rng, rows)


def count_rows(kind: str, data: bytes) -> int | None:
    """Rows that a file holds, good ones and bad ones; `None` where readers may differ about it."""
    if kind == "parquet":
        try:
            return int(pq.ParquetFile(io.BytesIO(data)).metadata.num_rows)
        except (pa.ArrowException, OSError, ValueError):
            return None
    if kind == "jsonl":
        return sum(1 for line in data.split(b"\n") if line.strip())
    if kind == "json":
        return None
    try:
        text = data.decode()
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="," if kind == "csv" else "\t", strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    # Quotes and line ends that mean one thing alone, in a table that is a table: on the rest readers differ.
    doubtful = any(mark in text for mark in ("\r", "\x00", "\\", "\ufeff", "'")) or text.count('"') % 2
    # Excel's line above the header, and a field of more lines than a row may have (docs/data.md).
    doubtful = doubtful or text.startswith("sep=") or any(cell.count("\n") >= 1_000 for row in rows for cell in row)
    widths = {len(row) for row in rows}
    return len(rows) - 1 if not doubtful and len(widths) == 1 and min(widths) > 1 and all(map(any, rows)) else None


def _records(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows[0], row, strict=False)) for row in rows[1:]]


def _delimited(rows: Rows, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _tabbed(rows: Rows) -> bytes:
    return _delimited(rows, "\t")


def _lines(rows: Rows) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in _records(rows)).encode()


def _array(rows: Rows) -> bytes:
    return json.dumps(_records(rows)).encode()


def _parquet(rows: Rows) -> bytes:
    columns = {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}
    return _written(pa.table(columns))


def _written(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def _damaged_lines(rng: random.Random, rows: Rows) -> tuple[bytes, str]:
    """Some lines are other JSON than they were, or none; or all of them, in the same place."""
    records = _records(rows)
    seed, what = rng.random(), ""
    lines = [json.dumps(record) for record in records]
    if rng.random() < 0.3:
        name, text = rng.choice(rows[0]), rng.choice((*TEXTS, 1, 1.5, True, None, [], ["a", "b"], {"a": 1}, 10**30))
        records = [{**record, name: text if number % 2 else record[name]} for number, record in enumerate(records)]
        return "".join(
            json.dumps(record) + "\n" for record in records
        ).encode(), f"{name} is {text!r:.40} in every other row"
    chosen = range(len(lines)) if rng.random() < 0.3 else rng.sample(range(len(lines)), rng.choice((1, 1, 5)))
    for number in chosen:
        lines[number], what = damage_json(random.Random(seed), records[number], TEXTS)
    if rng.random() < 0.2:
        lines.insert(0, rng.choice(("", "\ufeff", "[", "null", '"text"', "// a comment", "text,label", "{}")))
    joint = rng.choice(("\n",) * 6 + ("\r\n", "\n\n", "\r", "", ","))
    return joint.join(lines).encode("utf-8", "surrogatepass"), f"{len(chosen)} lines: {what}, between them {joint!r}"


def _damaged_array(rng: random.Random, rows: Rows) -> tuple[bytes, str]:
    records: Any = _records(rows)
    shape = rng.choice(("array", "object", "lines", "columns"))
    if shape == "lines":
        return _damaged_lines(rng, rows)
    if shape == "object":
        records = {"data": records}
    elif shape == "columns":
        records = {name: [record[name] for record in records] for name in rows[0]}
    text, what = damage_json(rng, records, TEXTS) if rng.random() < 0.7 else (json.dumps(records, indent=1), "intact")
    return text.encode("utf-8", "surrogatepass"), f"{shape}: {what}"


def _damaged_parquet(rng: random.Random, rows: Rows) -> tuple[bytes, str]:
    """Columns of other types, other names, without values, or none at all."""
    rows, what = damage_rows(rng, rows)
    width = len(rows[0]) if rows else 0
    rows = [(row + [""] * width)[:width] for row in rows]
    columns = [pa.array([row[place] for row in rows[1:]], pa.string()) for place in range(width)]
    names = rows[0] if rows else []
    how = rng.choice(("type", "type", "type", "nulls", "names", "as it is"))
    if columns and how != "as it is":
        place = rng.randrange(width)
        if how == "type":
            kind = rng.choice(_TYPES)
            columns[place], how = _of_type(rng, kind, len(rows) - 1), f"column {place} of {kind}"
        elif how == "nulls":
            columns[place] = pa.array(
                [None if rng.random() < 0.5 else value for value in columns[place].to_pylist()], pa.string()
            )
        else:
            names[place] = rng.choice((*TEXTS, names[-1]))
    return _written(pa.Table.from_arrays(columns, names)), f"{what}; {how}"


def _of_type(rng: random.Random, kind: pa.DataType, count: int) -> pa.Array:
    """Values of a type that may be no text and no label."""
    numbers = [rng.choice((0, 1, 2)) for _ in range(count)]
    by_type: list[tuple[bool, list[Any]]] = [
        (pa.types.is_list(kind), [["good", "bad"][:number] for number in numbers]),
        (pa.types.is_struct(kind), [{"a": str(number)} for number in numbers]),
        (pa.types.is_map(kind), [[("a", str(number))] for number in numbers]),
        (pa.types.is_binary(kind), [b"\xff\x00" * number for number in numbers]),
        (pa.types.is_boolean(kind), [number == 1 for number in numbers]),
        (pa.types.is_null(kind), [None] * count),
        (pa.types.is_floating(kind), [rng.choice((float(number), float("nan"), float("inf"))) for number in numbers]),
        (pa.types.is_large_string(kind) or pa.types.is_dictionary(kind), [str(number) for number in numbers]),
    ]
    values = next((values for fits, values in by_type if fits), numbers)
    return pa.array(values, kind)
