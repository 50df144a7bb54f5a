"""Files that are sent as the body of a request."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from trifold.data.source import is_packed
from trifold.web.refusals import Refusal


async def receive(request: Request, path: Path) -> None:
    """Write a request's body into a file.

    Raises:
        Refusal: If it is empty, or packed, whose size would not be known.
    """
    with path.open("wb") as file:
        async for piece in request.stream():
            await run_in_threadpool(file.write, piece)
    if not path.stat().st_size:
        raise Refusal(422, "the file is empty: choose one with rows")
    if is_packed(path):
        raise Refusal(422, "the file is packed: unpack it first")
