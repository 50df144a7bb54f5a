"""What Linux says of the machine and of this process, read from its own files; `None` or nothing on other systems."""

from pathlib import Path


def first_line(path: str) -> str | None:
    """The content of a file of one line, such as those of a cgroup; `None` where there is none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def kilobytes(path: str, name: str) -> int | None:
    """The number behind `name` in a file of lines `NAME NUMBER`, as in `/proc`; `None` where there is none."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)


def first_processor() -> dict[str, str]:
    """The facts in `/proc/cpuinfo` on the first processor, by the names they have there."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    facts: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        facts.setdefault(name.strip(), value.strip())
    return facts
