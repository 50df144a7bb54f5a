import os
import signal
from pathlib import Path

import pytest

from trifold.train.checkpoint import Checkpointer, saving_on_signal


def test_an_interrupt_and_the_parents_signal_behind_it_are_one_wish_to_stop(tmp_path: Path) -> None:
    def leave(*_: object) -> None:
        raise SystemExit

    before = signal.signal(signal.SIGTERM, leave)
    keeper = Checkpointer(tmp_path, None, 1.0, {})
    try:
        with saving_on_signal(keeper):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert keeper.stopping
            assert keeper.exit_code == 130
            with pytest.raises(SystemExit):
                os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)
