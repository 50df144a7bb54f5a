"""`full`: defaults that follow the data's size."""

from trifold.methods.defaults import tuning_epochs


def test_small_data_gets_more_passes_and_large_data_at_least_two() -> None:
    assert [tuning_epochs(rows) for rows in (1, 100, 500, 1_000, 5_000, 12_000, 16_000, 1_000_000)] == [
        10,
        10,
        6,
        3,
        3,
        3,
        2,
        2,
    ]
