import numpy as np

from trifold.runtime import available_bytes, memory_bytes, peak_memory_bytes, peak_while


def test_a_process_uses_some_of_the_memory_there_is():
    assert peak_memory_bytes() > 0
    assert memory_bytes() == 0 or peak_memory_bytes() < memory_bytes()


def test_no_more_memory_is_free_than_there_is():
    assert 0 < available_bytes() <= memory_bytes()


def test_the_peak_of_some_work_is_above_what_was_held_before():
    small, _ = peak_while(lambda: None)
    peak, kept = peak_while(lambda: np.ones(1 << 25))
    assert peak >= small + 0.9 * kept.nbytes
