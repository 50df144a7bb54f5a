"""What `prompt run --file` prints: a prompt is sent for every row of a file."""

from typing import TYPE_CHECKING

from trifold.cli.output import print_json, say_next
from trifold.terminal import printable

if TYPE_CHECKING:
    from trifold.pipeline.prompt_files import Session
    from trifold.pipeline.prompt_rows import RowsRequest


def run_on_rows(session: "Session", request: "RowsRequest", *, dry_run: bool, json: bool) -> None:
    """Answer every row of a file, or print what that would cost."""
    from trifold.cli.prompt_files import print_estimate
    from trifold.events import say
    from trifold.pipeline.prompt_rows import answer_rows, expect_rows

    asked, output = session.settings, request.result.output
    if dry_run:
        print_estimate(expect_rows(session, request), asked, json=json)
        return
    counts = answer_rows(session, request, json=json)
    if json and output:
        print_json({"output": str(output), **counts.described(asked)})
    say(counts.in_words() + (f", written to {output}" if output else ""))
    if counts.unasked:
        say(f"{printable(counts.stopped_by)}: the same command with a higher limit and --force asks for the rest alone")
    say_next("log", *(("--log", asked.log) if asked.log else ()), json=json)
