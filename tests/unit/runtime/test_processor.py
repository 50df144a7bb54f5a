import os

from trifold.runtime import cpu_multiplies_bfloat16, usable_cores


def test_whether_the_processor_multiplies_bfloat16_is_a_yes_or_no():
    assert isinstance(cpu_multiplies_bfloat16(), bool)


def test_there_is_a_core_to_use_and_no_more_than_the_machine_has():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
