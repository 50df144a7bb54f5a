"""Which rows are computed together."""

from collections.abc import Iterable, Sequence

from trifold.serve.requests import Row

# A row is at most so many times as long as another one of its batch: what is shorter would be padded, and would wait.
_LENGTHS_APART = 1.5
# Rows of fewer tokens are alike: a pass over them takes its fixed time.
_SHORT_TOKENS = 16


def even_length(longest: int, most: int) -> int:
    """Tokens that the texts of a batch are padded to, where few shapes are to occur.

    oneDNN, which multiplies bfloat16 for PyTorch, generates code for every shape of a batch and keeps it, some 1.5 MB
    each: without end where texts of all lengths come in batches of all sizes. With these there are about 50 shapes.

    Args:
        longest: Tokens of the longest text.
        most: Tokens of the longest text that there may be.
    """
    step = 16 if longest <= 64 or 128 < longest <= 256 else 32 if longest <= 128 else 1 << (longest.bit_length() - 4)
    return min(-(-longest // step) * step, most)


def fill_batch(
    leader: Row, others: Iterable[Row], token_budget: int, most_rows: int, *, even: bool = False
) -> list[Row]:
    """A batch around the row whose turn it is: those nearest to it in length, as many as are allowed.

    Args:
        leader: Is in the batch in any case.
        others: Of the same pass, in the order of their turns.
        token_budget: Tokens of the batch, padding included; equal texts go through once.
        most_rows: Rows of the batch.
        even: Whether it is to have 1, 2, 4, 8, … texts, so that few shapes occur; the others wait for the next one.
    """
    length = leader.longest
    low, high = length / _LENGTHS_APART, max(length * _LENGTHS_APART, _SHORT_TOKENS)
    near = [
        row for row in others if row is not leader and low <= max(row.longest, _SHORT_TOKENS) and row.longest <= high
    ]
    near.sort(key=lambda row: abs(row.longest - length))
    batch, longest, windows, known = [leader], length, leader.windows, {leader.keys}
    for row in near[: most_rows - 1]:
        if row.keys and row.keys in known:
            batch.append(row)
            continue
        longest = max(longest, row.longest)
        windows += row.windows
        if windows * longest > token_budget:
            break
        known.add(row.keys)
        batch.append(row)
    return _evenly(batch) if even else batch


def _evenly(batch: Sequence[Row]) -> list[Row]:
    """The first rows of a batch, so that the number of their windows is a power of two; equal texts count once."""
    counts, known = [], set[tuple[bytes, ...]]()
    for row in batch:
        counts.append(0 if row.keys in known else row.windows)
        known.add(row.keys)
    most = 1 << (max(1, sum(counts)).bit_length() - 1)
    kept, windows = [batch[0]], counts[0]
    known = {batch[0].keys}
    for row in batch[1:]:
        if row.keys not in known:
            if windows + row.windows > most:
                continue
            windows += row.windows
            known.add(row.keys)
        kept.append(row)
    return kept
