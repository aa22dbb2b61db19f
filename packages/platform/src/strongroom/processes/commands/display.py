"""How the demonstration's steps look: live on a terminal, line by line elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

# What was seen stands beside its step where there is room, else below it.
WIDE: Final = 120


class Lines:
    """One line a step, as it ends; for logs and for terminals that cannot redraw."""

    def __init__(self, console: Console) -> None:
        """Write to ``console``."""
        self._console = console
        self._titles: dict[str, str] = {}

    def begin(self, name: str, title: str) -> None:
        """Remember its title."""
        self._titles[name] = title

    def end(self, name: str, seconds: float, detail: str) -> None:
        """Say that it happened."""
        self._line(f"ok    {seconds:6.2f} s  {self._titles[name]}{f': {detail}' if detail else ''}")

    def fail(self, name: str, seconds: float, why: str) -> None:
        """Say that it did not."""
        self._line(f"FAIL  {seconds:6.2f} s  {self._titles[name]}: {why}")

    def say(self, text: str) -> None:
        """Say something beside the steps."""
        self._line(f"      {text}")

    def _line(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class LiveSteps:
    """Steps that are done stay above; the one under way moves."""

    def __init__(self, console: Console) -> None:
        """Draw on ``console``."""
        self._console = console
        self._live = Live(console=console, refresh_per_second=12, transient=True)
        self._title = ""
        self._since = 0.0
        self._spinner = Spinner("dots", style="cyan")

    def __enter__(self) -> Self:
        """Start drawing."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave what is done on the screen."""
        self._live.stop()

    def pause(self) -> None:
        """Stop redrawing; what is said from now on is plain."""
        self._live.stop()

    def begin(self, name: str, title: str) -> None:
        """Show it moving."""
        self._title, self._since = title, time.monotonic()
        self._live.update(self)

    def end(self, name: str, seconds: float, detail: str) -> None:
        """Leave it above, done."""
        self._leave("[green]✓[/green]", seconds, f"[dim]{escape(detail)}[/dim]")

    def fail(self, name: str, seconds: float, why: str) -> None:
        """Leave it above, failed."""
        self._leave("[red]✗[/red]", seconds, f"[red]{escape(why)}[/red]")

    def say(self, text: str) -> None:
        """Leave a remark above."""
        self._console.print(f"  [yellow]{escape(text)}[/yellow]")

    def __rich__(self) -> RenderableType:
        """Draw the step under way, with its time so far."""
        if not self._title:
            return Group()
        row = Table.grid(padding=(0, 1))
        row.add_row(self._spinner, Text(self._title), Text(f"{time.monotonic() - self._since:.1f} s", style="cyan"))
        return row

    def _leave(self, mark: str, seconds: float, detail: str) -> None:
        title, self._title = self._title, ""
        if self._console.width < WIDE:
            self._console.print(f"{mark} {escape(title)}  [cyan]{seconds:.2f} s[/cyan]")
            if detail:
                self._console.print(Padding(detail, (0, 0, 0, 2)))
            return
        row = Table.grid(padding=(0, 1))
        row.add_column(width=1)
        row.add_column(width=52)
        row.add_column(width=8, justify="right", style="cyan", no_wrap=True)
        row.add_column()
        row.add_row(mark, title, f"{seconds:.2f} s", detail)
        self._console.print(row)
