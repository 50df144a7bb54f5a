"""Numbers and durations as people read them, the same in the terminal, the report and the model card."""

import math
import re


def counted(number: int, noun: str) -> str:
    """A number and what it counts: `1 row`, `4,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def server_address(url: str) -> str:
    """Scheme, host and port of a URL: what may be shown of one that may hold a password, a token or a query."""
    scheme, mark, rest = url.partition("://")
    host = re.split(r"[/?#]", (rest if mark else scheme).rpartition("@")[2])[0]
    return f"{scheme}{mark}{host}" if mark else host


def duration(seconds: float) -> str:
    """Seconds in words short enough for a table: `0.8 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def speed(count: int, seconds: float) -> str:
    """How fast things are done: `1,200 a second`, `3.4 a second`, or where one takes longer `25 s each`."""
    rate = count / seconds if seconds > 0 else 0.0
    if rate < 1:
        return f"{duration(seconds / max(1, count))} each"
    return f"{rate:.1f} a second" if rate < 10 else f"{rate:,.0f} a second"


def milliseconds(value: float) -> str:
    """`0.14 ms`, `5.2 ms`, `48 ms`."""
    return f"{value:.2g} ms" if value < 10 else f"{value:,.0f} ms"


def megabytes(value: float) -> str:
    """Bytes: `4.1 MB`, `812 MB`, `1.6 GB`."""
    if value >= 1e9:
        return f"{value / 1e9:.1f} GB"
    return f"{value / 1e6:.1f} MB" if value < 1e7 else f"{value / 1e6:.0f} MB"


def points(fraction: float) -> str:
    """A fraction in points (hundredths), to a tenth: `86.1`, `-0.9`, never `-0.0`."""
    return f"{round(100 * fraction, 1) + 0.0:.1f}"


def percent(fraction: float) -> str:
    """A fraction in per cent, to a tenth: `86.1 %`."""
    return f"{points(fraction)} %"


def interval(low: float, high: float) -> str:
    """Both ends of an interval of fractions, in points: `79.4 to 92.1`."""
    return f"{points(low)} to {points(high)}"


def points_up(fraction: float) -> str:
    """A bound in points, rounded up to a tenth: rounding must not settle what is open."""
    return points(math.ceil(1000 * fraction - 1e-9) / 1000)


def shortened(text: str, most: int) -> str:
    """A text on one line, with `…` in place of what goes beyond so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
