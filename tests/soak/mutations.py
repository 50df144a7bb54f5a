"""Damage done to inputs, drawn from a generator of random numbers, so that a seed gives the same damage again.

Each function takes a generator and something intact, and returns something damaged with what was done, in words.
"""

import csv
import io
import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

Rows = list[list[str]]
_HOLE = "hole-for-the-damage"

# What bytes stumble over: quotes, line ends, byte order marks, NUL, bytes that are no UTF-8, what terminals obey.
TOKENS = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"\x1b]0;owned\x07", b"\x1b[2J", b"\x9b31m", b"\r",
    b"\r\n", b"\n\n", b'"', b'""', b"'", b"\\", b",", b"\t", b";", b"{", b"}", b"[", b"]", b"\xe2\x80\x8b", b"\xe2\x80\xa8",
    b"\x1f", b"\x85", b"=", b"#", b"'''", b'"""',
)  # fmt: skip

# Text that means something to what reads it: a formula, a format string, markup, mathtext, a terminal's orders.
TEXTS = (
    "", " ", "\u200b", "\u200b\u200d\ufeff", "$", "$$", "$\\frac{1}{0}$", "{text}", "{0}", "%s%n", "[bold]", "[/red]",
    "<script>alert(1)</script>", "=1+1", "+1", "-1", "@SUM(A1)", "\x1b]0;owned\x07", "\x1b[31mred", "\x9b2Jclear", "\x85",
    "a\rb", "a\r\nb", "a\nb", "\x00", "nan", "NaN", "None", "null", "1", "1.0", "true", "True", "inf", "\u202eabc",
    "e\u0301", "\u00e9", "\U0001f600", "\u4e2d\u6587", "</s>", "<|im_start|>", "[MASK]", "[PAD]", "../../x", "/", "CON",
    "x" * 300, "a|b", "a,b", '"', "''", "\\", "\\n", "sep=;", "#", "\ufffd", "\u0130", "text", "label", "prediction",
)  # fmt: skip

# JSON as text, since some of it is no JSON.
_JSON = (
    "{}", "[]", "null", "true", "false", '""', '" "', "0", "-1", "1", "1.5", "-0.0", "1e999", "-1e999", "NaN", "Infinity",
    "1" + "0" * 30, "9223372036854775808", "-9223372036854775809", "1" * 5_000, '"1"', '"\\ud800"', '"\\u0000"',
    '"\\u001b]0;owned\\u0007"', '"\\u009b31m"', "[[]]", "[null]", "{\"a\": {}}", '"' + "x" * 5_000 + '"', "[" * 150 + "]" * 150,
    "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, '"../../x"', '"/"', '"/proc/self/mem"',
    '"nowhere/model"', '"tfidf"', '"full"', '"pretrain"', '"prompt"', '"float32"', '"utf-99"', "[1, 2, 3]", '["a", "b"]',
)  # fmt: skip


def damage_bytes(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    """Flip, cut, insert, repeat, splice, blank: a few times, anywhere."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        place = rng.randrange(len(data) + 1)
        length = min(len(data) - place, rng.choice((1, 1, 4, 64, 1_000)))
        end = place + length
        what = rng.choice(("flip", "insert", "delete", "cut", "repeat", "splice", "blank", "random"))
        if what == "flip" and length:
            data = data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        elif what == "insert":
            data = data[:place] + rng.choice(TOKENS) + data[place:]
        elif what == "delete":
            data = data[:place] + data[end:]
        elif what == "cut":
            data = data[:place]
        elif what == "repeat":
            data = data[:end] + data[place:end] * rng.choice((1, 2, 50)) + data[end:]
        elif what == "splice":
            source = rng.randrange(len(data) + 1)
            data = data[:place] + data[source : source + length] + data[place:]
        elif what == "blank":
            data = data[:place] + b"\x00" * length + data[end:]
        elif what == "random":
            data = data[:place] + rng.randbytes(length) + data[end:]
        done.append(f"{what} at {place}")
    return data, ", ".join(done)


def damage_json(rng: random.Random, value: Any, strings: Sequence[str] = ()) -> tuple[str, str]:
    """The text of a JSON document, of which a value or a key is replaced, dropped, doubled or wrapped.

    Args:
        rng: Draws the damage.
        value: The intact document.
        strings: Further texts to replace values by.
    """
    value = json.loads(json.dumps(value))
    paths = list(_paths(value))
    path = rng.choice(paths)
    shown = "/".join(map(str, path)) or "the whole"
    what = rng.choice(("replace", "replace", "replace", "drop", "double", "rename", "wrap"))
    raw = rng.choice((*_JSON, *map(json.dumps, strings), *map(json.dumps, rng.sample(TEXTS, 8))))
    if not path or what == "replace":
        return _with_hole(value, path, raw), f"{shown} becomes {raw[:60]}"
    parent = _at(value, path[:-1])
    if what == "drop":
        del parent[path[-1]]
    elif what == "wrap":
        parent[path[-1]] = [parent[path[-1]]]
    elif isinstance(parent, list):
        parent.insert(path[-1], parent[path[-1]])
    elif what == "rename":
        parent[rng.choice(TEXTS)] = parent.pop(path[-1])
    else:
        # The key stands twice; most parsers take the latter.
        text = _with_hole(value, path, raw)
        return text.replace("{", f"{{{json.dumps(path[-1])}: {raw}, ", 1), f"{shown} stands twice, once as {raw[:60]}"
    return json.dumps(value), f"{what} {shown}"


def damage_rows(rng: random.Random, rows: Rows) -> tuple[Rows, str]:
    """A table, the header its first row, of which columns, rows or cells are not as they were."""
    spot = _Spot(rng.randrange(len(rows)), rng.randrange(len(rows[0])), rng.choice(TEXTS))
    damage = rng.choice((_name, _cell, _cells, _drop, _double, _few, _none, _wide, _ragged, _many, _huge, _sorted))
    return damage(rng, [list(row) for row in rows], spot), f"{damage.__name__.strip('_')} {tuple(spot)}"


class _Spot(NamedTuple):
    row: int
    column: int
    text: str


def _name(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    rows[0][spot.column] = spot.text
    return rows


def _cell(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    rows[spot.row][spot.column] = spot.text
    return rows


def _cells(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    """Every other value of a column is the same, so that it is not rare."""
    for number, row in enumerate(rows[1:]):
        row[spot.column] = rng.choice(TEXTS) if number % 2 else spot.text
    return rows


def _drop(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    return [row[: spot.column] + row[spot.column + 1 :] for row in rows]


def _double(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    return [[*row, row[spot.column]] for row in rows]


def _few(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    return rows[: rng.randrange(1, 12)]


def _none(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    return rows[: rng.randrange(2)]


def _wide(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    extra = [f"c{number}" for number in range(rng.choice((100, 3_000, 20_000)))]
    return [row + extra for row in rows[:30]]


def _ragged(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    for row in rng.sample(rows, len(rows) // 3):
        row.extend(rng.sample(TEXTS, rng.randrange(1, 4)))
    return rows


def _many(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    return [rows[0], *rows[1:] * rng.choice((2, 20))]


def _huge(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    part = rng.choice(("x", "word ", "\u4e2d", '"', "\n"))
    rows[spot.row][spot.column] = part * rng.choice((10_000, 300_000))
    return rows


def _sorted(rng: random.Random, rows: Rows, spot: _Spot) -> Rows:
    return [rows[0], *sorted(rows[1:], key=lambda row: row[-1])]


def write_delimited(rng: random.Random, rows: Rows, delimiter: str) -> tuple[bytes, str]:
    """A table as CSV or TSV, mostly as it should be, sometimes as programs out there write it."""
    delimiter = rng.choice((delimiter,) * 12 + (",", ";", "\t", "|", ":", " "))
    quoting = rng.choice((csv.QUOTE_MINIMAL,) * 4 + (csv.QUOTE_ALL, csv.QUOTE_NONE))
    ending = rng.choice(("\n", "\n", "\n", "\r\n", "\r"))
    text = io.StringIO()
    escape = "\\" if quoting == csv.QUOTE_NONE else None
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=ending, escapechar=escape).writerows(rows)
    before = rng.choice(("",) * 12 + (f"sep={delimiter}{ending}", ending, f"A title{ending}", " ", "\ufeff"))
    encoding = rng.choice(
        ("utf-8",) * 12 + ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7")
    )
    data = (before + text.getvalue()).encode(encoding, "replace")
    return data, f"delimiter {delimiter!r}, quoting {quoting}, {ending!r}, {before[:9]!r} before it, {encoding}"


def damage_toml(rng: random.Random, text: str) -> tuple[bytes, str]:
    """A TOML text, of which a value, a key or a line is not as it was."""
    lines = text.splitlines()
    place = rng.randrange(len(lines))
    value = rng.choice(
        ("{}", "[]", "[[1]]", "nan", "inf", "-1", "0", "1.5", "true", '""', "''", "1979-05-27", "9" * 5_000, "0x1F", '"x"',
         "[" * 5_000 + "]" * 5_000, "{a = " * 2_000 + "1" + "}" * 2_000, '"\\u001b[2J"', '"\\u0000"', '"\\ud800"',
         json.dumps(rng.choice(TEXTS), ensure_ascii=False), '"{text} {other}"', '"{"', '"{text!r}"', "a.b.c")
    )  # fmt: skip
    what = rng.choice(("value", "value", "value", "key", "drop", "double", "swap", "table", "insert", "bytes"))
    if what == "bytes":
        return damage_bytes(rng, text.encode())
    if what == "value":
        lines[place] = f"{lines[place].partition('=')[0]}= {value}"
    elif what == "key":
        lines[place] = f"{json.dumps(rng.choice(TEXTS), ensure_ascii=False)} = {lines[place].partition('=')[2]}"
    elif what == "drop":
        del lines[place]
    elif what == "double":
        lines.insert(place, lines[place])
    elif what == "swap":
        other = rng.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    elif what == "table":
        lines.insert(
            place, rng.choice(("[x]", "[[examples]]", "[variables]", "[output]", "[a.b]", "[", "[]", "[[output]]"))
        )
    else:
        lines.insert(place, f"{rng.choice(('task', 'epochs', 'model', 'x', 'llm', 'log'))} = {value}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass"), f"{what} in line {place + 1}, {value[:40]}"


def damage_safetensors(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    """Tensors whose header is not as it was, or says of the data what is not so."""
    what = rng.choice(("header", "header", "length", "cut", "zeros", "nan", "bytes"))
    if what == "bytes":
        return damage_bytes(rng, data)
    (size,) = struct.unpack("<Q", data[:8])
    header, body = data[8 : 8 + size], data[8 + size :]
    if what == "header":
        text, what = damage_json(rng, json.loads(header), ("F16", "BF16", "I64", "BOOL", "F8_E4M3", "XYZ"))
        header = text.encode("utf-8", "surrogatepass")
        size = len(header)
    elif what == "length":
        size = rng.choice((0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1))
    elif what == "cut":
        body = body[: rng.randrange(len(body) + 1)]
    elif what == "zeros":
        body = b"\x00" * len(body)
    else:
        body = b"\xff" * len(body)
    return struct.pack("<Q", size) + header + body, f"tensors: {what}"


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """To every value of a document; of long lists to the first few."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:8]) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _with_hole(value: Any, path: tuple[Any, ...], raw: str) -> str:
    if not path:
        return raw
    value = json.loads(json.dumps(value))
    _at(value, path[:-1])[path[-1]] = _HOLE
    return json.dumps(value).replace(json.dumps(_HOLE), raw, 1)


Damage = Callable[[random.Random, bytes], tuple[bytes, str]]


def damage_file(rng: random.Random, name: str, data: bytes, strings: Sequence[str] = ()) -> tuple[bytes, str]:
    """A file, damaged in its structure where its name tells one, now and then in its bytes."""
    if rng.random() < 0.25:
        return damage_bytes(rng, data)
    if name.endswith(".json"):
        text, what = damage_json(rng, json.loads(data), strings)
        return text.encode("utf-8", "surrogatepass"), what
    if name.endswith(".safetensors"):
        return damage_safetensors(rng, data)
    if name.endswith(".csv"):
        rows, what = damage_rows(rng, list(csv.reader(io.StringIO(data.decode(), newline=""))))
        written, how = write_delimited(rng, rows, ",")
        return written, f"{what}; {how}"
    if name.endswith(".toml"):
        return damage_toml(rng, data.decode())
    return damage_bytes(rng, data)
