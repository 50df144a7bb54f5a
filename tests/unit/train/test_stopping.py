import os
import signal
from pathlib import Path

import pytest

from trifold.train.state import Keeper, stopping_saves


def test_an_interrupt_and_the_parents_signal_behind_it_are_one_wish_to_stop(tmp_path: Path) -> None:
    def leave(*_: object) -> None:
        raise SystemExit

    before = signal.signal(signal.SIGTERM, leave)
    keeper = Keeper(tmp_path, None, 1.0, {})
    try:
        with stopping_saves(keeper):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert keeper.stopping
            with pytest.raises(SystemExit):
                os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)
