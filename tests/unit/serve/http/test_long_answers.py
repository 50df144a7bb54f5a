"""Long answers let others have their turn."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from trifold.serve.http.long_answers import json_list


def test_a_list_is_written_as_json_writes_it() -> None:
    items = [{"label": 'a "é" \U0001f642 </script>', "score": 1 / 3}, [], None]
    assert json.loads(asyncio.run(json_list(items))) == items
    assert asyncio.run(json_list([])) == b"[]"
    with pytest.raises(ValueError, match="not JSON compliant"):
        asyncio.run(json_list([float("nan")]))


def test_others_have_their_turn_while_a_long_one_is_written() -> None:
    def slowly() -> Iterator[int]:
        for number in range(20):
            time.sleep(0.002)
            yield number

    async def both() -> tuple[bytes, int]:
        writing = asyncio.create_task(json_list(slowly()))
        turns = 0
        while not writing.done():
            await asyncio.sleep(0)
            turns += 1
        return await writing, turns

    found, turns = asyncio.run(both())
    assert json.loads(found) == list(range(20))
    assert turns > 3
