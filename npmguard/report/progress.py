"""A live bar on standard error while a scan runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from npmguard.report.escape import terminal as escape

if TYPE_CHECKING:
    from types import TracebackType

_LABEL_WIDTH = 40


class Bar:
    """Shows how many packages are judged and which was the last; gone when the scan ends."""

    def __init__(self) -> None:
        self._progress = RichProgress(
            TextColumn("npmguard"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("reading the lockfile", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, total: int) -> None:
        """Say how many packages there are to judge."""
        self._progress.update(self._task, total=total, completed=0, description="")

    def advance(self, label: str) -> None:
        """Say that one more is done."""
        text = Text(escape(label))
        text.truncate(_LABEL_WIDTH, overflow="ellipsis")
        self._progress.update(self._task, advance=1, description=text.plain)
