"""Whose turn it is, counted in rows: no clock has a say."""

from collections.abc import Sequence

import pytest

from trifold.serve.batches import even_length
from trifold.serve.errors import QueueFullError, StoppingError
from trifold.serve.passes import Pass
from trifold.serve.request_queue import RequestQueue
from trifold.serve.requests import Request, Row
from trifold.serve.settings import QueueSettings


class _Measured(Pass):
    """A pass over texts of digits, which are their tokens: one takes a millisecond, ten of them fill a batch."""

    most_tokens, token_budget = 1_000, 10
    pass_seconds = None

    def __init__(self) -> None:
        super().__init__()
        for tokens in (1, 1_000):
            self.pace.add(tokens, tokens / 1_000)

    def tokens_of(self, texts: Sequence[object]) -> int:
        return sum(map(int, map(str, texts)))

    def read(self, request: Request, start: int, end: int) -> list[Row]:
        sizes = [int(str(text)) for text in request.texts[start:end]]
        return [
            Row(request, start + at, None, None, (), size, 1, size, truncated=False) for at, size in enumerate(sizes)
        ]

    def compute(self, rows: Sequence[Row]) -> tuple[int, int, int]:
        raise NotImplementedError


def _ask(queue: RequestQueue, work: Pass, *sizes: int, background: bool = False, keys: Sequence[str] = ()) -> Request:
    request = Request([str(size) for size in sizes], work, [], background=background)
    queue.admit(request, 60)
    rows = work.read(request, 0, len(sizes))
    for row, key in zip(rows, keys, strict=False):
        row.keys = (key.encode(),)
    queue.add(rows)
    return request


def _taken(queue: RequestQueue) -> list[Row]:
    batch = queue.take()
    assert batch is not None
    return batch.rows


def _large(**changed: float) -> RequestQueue:
    return RequestQueue(QueueSettings(queue_seconds=1_000, **changed))  # type: ignore[arg-type]


def test_a_short_text_goes_before_the_long_ones_that_wait() -> None:
    queue, work = _large(), _Measured()
    _ask(queue, work, *[100] * 32)
    assert [row.size for row in _taken(queue)] == [100]
    short = _ask(queue, work, 3)
    assert [row.request for row in _taken(queue)] == [short]


@pytest.mark.parametrize("clients", [1, 32])
def test_a_short_text_goes_before_long_ones_however_these_are_sent(clients: int) -> None:
    queue, work = _large(), _Measured()
    for _ in range(clients):
        _ask(queue, work, *[100] * (32 // clients))
    queue.take()
    short = _ask(queue, work, 3)
    assert _taken(queue)[0].request is short


def test_a_long_text_is_overtaken_for_no_longer_than_its_fair_share_takes() -> None:
    queue, work = _large(), _Measured()
    long = _ask(queue, work, 100)
    overtaken = 0
    while True:
        _ask(queue, work, 5)
        rows = _taken(queue)
        if rows[0].request is long:
            break
        overtaken += sum(row.size for row in rows)
        assert overtaken < 500
    assert overtaken >= 50


def test_requests_of_many_texts_take_turns() -> None:
    queue, work = _large(), _Measured()
    first, second = _ask(queue, work, *[50] * 10), _ask(queue, work, *[50] * 10)
    taken = [_taken(queue)[0].request for _ in range(10)]
    assert taken.count(first) == taken.count(second) == 5


def test_a_batch_holds_what_is_near_in_length_and_no_more_than_the_budget() -> None:
    queue, work = _large(), _Measured()
    work.token_budget = 400
    _ask(queue, work, *[100, 30, 98, 99, 5, 97, 20, 96])
    assert sorted(row.size for row in _taken(queue)) == [97, 98, 99, 100]
    assert [row.size for row in _taken(queue)] == [30, 20]


def test_texts_of_several_requests_go_through_together() -> None:
    queue, work = _large(), _Measured()
    asked = [_ask(queue, work, 3) for _ in range(4)]
    assert [row.request for row in _taken(queue)] == asked[:3]


def test_the_background_waits_until_nobody_else_does() -> None:
    queue, work = _large(), _Measured()
    behind = _ask(queue, work, 1, background=True)
    before = [_ask(queue, work, 100) for _ in range(3)]
    assert [_taken(queue)[0].request for _ in range(4)] == [*before, behind]


def test_the_background_keeps_nobody_out() -> None:
    queue, work = _large(queue_requests=2), _Measured()
    for _ in range(2):
        _ask(queue, work, 1, background=True)
    for _ in range(2):
        _ask(queue, work, 1)
    with pytest.raises(QueueFullError, match="2 requests are under way"):
        _ask(queue, work, 1)


def test_much_shorter_texts_have_their_turn_within_a_batch_and_no_others() -> None:
    queue, work = _large(), _Measured()
    _ask(queue, work, *[100] * 4)
    running = queue.take()
    assert running is not None
    assert queue.take_between(running) is None
    short, middling = _ask(queue, work, 5), _ask(queue, work, 60)
    found = queue.take_between(running)
    assert found is not None
    assert [row.request for row in found.rows] == [short]
    assert queue.take_between(running) is None
    assert _taken(queue)[0].request is middling
    # Others take no more of a batch than it takes itself.
    running.lent = 0.098
    _ask(queue, work, 5)
    assert queue.take_between(running) is None


def test_where_many_wait_only_what_is_shorter_still_is_let_in_between() -> None:
    queue, work = _large(), _Measured()
    _ask(queue, work, 100)
    running = queue.take()
    assert running is not None
    for _ in range(9):
        _ask(queue, work, 20)
    assert queue.take_between(running) is None
    short = _ask(queue, work, 5)
    found = queue.take_between(running)
    assert found is not None
    assert [row.request for row in found.rows] == [short]


def test_equal_texts_count_once_in_a_batch() -> None:
    queue, work = _large(), _Measured()
    work.token_budget = 100
    _ask(queue, work, *[50] * 5, keys=["a", "a", "b", "a", "c"])
    assert [row.number for row in _taken(queue)] == [0, 1, 2, 3]


def test_what_would_wait_too_long_is_refused_and_told_when_to_come_back() -> None:
    queue, work = RequestQueue(QueueSettings(queue_seconds=1.0)), _Measured()
    for size in range(100, 117):
        _ask(queue, work, size)
    # Asked of another run on the same backbone, it takes no time of its own.
    assert _ask(queue, work, 116).rows
    with pytest.raises(QueueFullError, match="the server is busy: 18 requests are under way") as refused:
        _ask(queue, work, 99)
    assert refused.value.retry_after_seconds == pytest.approx(1.683, rel=0.05)
    # A short one would overtake them, and so is let in.
    assert _ask(queue, work, 3).rows


def test_a_large_request_may_wait_longer_in_proportion() -> None:
    queue, work = RequestQueue(QueueSettings(queue_seconds=1.0)), _Measured()
    for _ in range(5):
        _ask(queue, work, *[100] * 10)
    assert queue.load.wait_seconds == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize("limit", [{"queue_requests": 3}, {"queue_tokens": 300}])
def test_no_more_waits_than_is_allowed(limit: dict[str, float]) -> None:
    queue, work = _large(**limit), _Measured()
    for _ in range(3):
        _ask(queue, work, 100)
    with pytest.raises(QueueFullError):
        _ask(queue, work, 1)
    queue.take()
    assert queue.load.texts == 2


def test_what_nobody_waits_for_any_more_leaves_the_queue() -> None:
    queue, work = _large(), _Measured()
    gone, stays = _ask(queue, work, *[100] * 10), _ask(queue, work, 100)
    queue.remove(gone)
    assert (queue.load.requests, queue.load.texts, queue.load.tokens) == (1, 1, 100)
    assert _taken(queue)[0].request is stays
    # Texts that were being read meanwhile find it gone.
    queue.add(work.read(gone, 0, 1))
    assert queue.load.texts == 0


def test_a_closed_queue_gives_back_what_is_left() -> None:
    queue, work = _large(), _Measured()
    asked = [_ask(queue, work, 100) for _ in range(2)]
    assert queue.close() == asked
    assert queue.take() is None
    with pytest.raises(StoppingError):
        _ask(queue, work, 1)


def test_where_few_shapes_are_to_occur_batches_have_powers_of_two() -> None:
    queue, work = _large(), _Measured()
    work.token_budget, work.few_shapes = 1_000, True
    _ask(queue, work, *[10] * 7, keys=["a", "b", "c", "c", "d", "e", "f"])
    # Four distinct ones, of which one stands twice.
    assert [row.number for row in _taken(queue)] == [0, 1, 2, 3, 4]
    assert len(_taken(queue)) == 2


@pytest.mark.parametrize(("longest", "padded"), [(1, 16), (17, 32), (65, 96), (129, 144), (241, 250), (250, 250)])
def test_lengths_are_padded_to_few_values(longest: int, padded: int) -> None:
    assert even_length(longest, 250) == padded
