"""Which rows are computed together."""

from collections.abc import Iterable

from trifold.serve.requests import Row

# A row is at most so many times as long as another one of its batch: what is shorter would be padded, and would wait.
_LENGTHS_APART = 1.5
# Rows of fewer tokens are alike: a pass over them takes its fixed time.
_SHORT_TOKENS = 16


def fill_batch(leader: Row, others: Iterable[Row], token_budget: int, most_rows: int) -> list[Row]:
    """A batch around the row whose turn it is: those nearest to it in length, as many as are allowed.

    Args:
        leader: Is in the batch in any case.
        others: Of the same pass, in the order of their turns.
        token_budget: Tokens of the batch, padding included; equal texts go through once.
        most_rows: Rows of the batch.
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
    return batch
