"""Ctrl-C and SIGTERM as a wish to stop, so that a run can finish its step and write what it has."""

import logging
import signal
import threading
from types import FrameType
from typing import Any

logger = logging.getLogger("pinnact")
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Interrupts:
    """While it is open, the first signal is only noted in `stopped`; the second one raises KeyboardInterrupt at once.

    Only the main thread can listen; in others, and for a signal that is ignored (`nohup`), nothing changes.
    """

    def __init__(self) -> None:
        self.stopped = ""
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in WORDS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = WORDS[signal.Signals(number)]
        logger.warning("%s: finishing the steps at hand; once more stops at once", self.stopped)
