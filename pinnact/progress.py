"""The live line of a run: step, loss, error, speed, time left."""

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pinnact.limits import Limits


class NoProgress:
    """Says nothing."""

    def __enter__(self) -> "NoProgress":
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, step: int, seconds: float, loss: float, error: float | None, limits: Limits) -> None:
        """Nothing."""


class ProgressLine:
    """One line on standard error, rewritten four times a second on a terminal, said once at the end elsewhere."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, refresh_per_second=4, transient=False)
        self.last = (0, 0.0)
        self.text = ""

    def __enter__(self) -> "ProgressLine":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.live.stop()
        elif self.text:
            self.console.print(Text(self.text), soft_wrap=True)

    def update(self, step: int, seconds: float, loss: float, error: float | None, limits: Limits) -> None:
        """Show the state after `step` steps and `seconds` seconds."""
        steps, since = step - self.last[0], max(seconds - self.last[1], 1e-9)
        self.last = (step, seconds)
        parts = [f"step {step}", f"{seconds:.0f} s", f"loss {loss:.2e}"]
        if error is not None:
            parts.append(f"error {error:.2e}")
        parts.append(f"{steps / since:.0f} steps/s")
        left = []
        if limits.budget is not None:
            left.append(limits.budget - seconds)
        if limits.steps is not None and steps:
            left.append((limits.steps - step) * since / steps)
        if left:
            parts.append(f"{max(0.0, min(left)):.0f} s left")
        self.text = "  ".join(parts)
        self.live.update(Text(self.text, no_wrap=True, overflow="ellipsis"))
