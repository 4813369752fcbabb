"""A live table of tasks and arrays in the terminal. Needs the extra ``rich``."""

from __future__ import annotations

import importlib
import posixpath
import sys
import threading
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.callbacks.base import HearsOfReasons
from slurm.callbacks.contexts import (
    CallbackContext,
    CompletedContext,
    JobStatusUpdatedContext,
    PackagingBeginContext,
    PackagingEndContext,
    SubmitBeginContext,
    SubmitEndContext,
    TransferContext,
    utc_now,
)
from slurm.callbacks.job_table import JobTable, TaskRow
from slurm.callbacks.lines import duration_or_dash, is_failure, line_of
from slurm.errors import ConfigError
from slurm.job_dir.tracebacks import UsersFrames
from slurm.usage import format_size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from slurm.callbacks.rich_parts import NotebookDisplay

COLUMNS = ("done", "running", "waiting", "failed", "time")
BAR_WIDTH = 30


class RichLoggerCallback(HearsOfReasons):
    """Shows a row with a progress bar for each task and each array, live, and failures above them.

    Beside the number of jobs that wait stands why they do, in the scheduler's words. Large files have a row while they
    are on their way.

    - `console`: a ``rich.console.Console``; by default one on stderr.
    - `refresh_per_second`: how often the table is drawn; `max_rows`: how many rows it has at most.
    - `linger_secs`: the table stays live so long after everything has ended, should more come.

    In a notebook the table is below the cell, without ipywidgets. Where the console is no terminal, or another live display has it, every event is a plain line; so it is in a
    forked child. A reason to wait is one there as well, once for each job or array.
    Raises `ConfigError` where Rich is not installed.

    >>> callback = RichLoggerCallback(max_rows=10)
    """

    @UsersFrames()
    def __init__(
        self,
        console: Console | None = None,
        *,
        refresh_per_second: float = 4.0,
        max_rows: int = 20,
        linger_secs: float = 1.0,
    ) -> None:
        try:
            console_type = importlib.import_module("rich.console").Console
        except ModuleNotFoundError:
            raise ConfigError(
                "RichLoggerCallback needs Rich, which is not installed: "
                "pip install 'slurm-tasks[rich]'"
            ) from None
        self.console: Console = console or console_type(stderr=True)
        self.refresh_per_second = refresh_per_second
        self.max_rows = max_rows
        self.linger_secs = linger_secs
        self._plain = not (self.console.is_interactive or self.console.is_jupyter)
        self._job_table = JobTable()
        self._reasons_told: dict[str, set[str]] = {}  # in plain lines, of each job or array
        # The table of jobs; never held while Rich is called, which draws it.
        self._noting = forks.Lock()
        self._live: Live | NotebookDisplay | None = None
        self._displaying = forks.Lock(threading.RLock)
        self._ending: threading.Timer | None = None
        self._process = forks.here()
        self._own_console = forks.Own(self._console_here)

    def on_begin_package_ctx(self, ctx: PackagingBeginContext) -> None:
        self._show(ctx)

    def on_end_package_ctx(self, ctx: PackagingEndContext) -> None:
        self._show(ctx)

    def on_begin_submit_job_ctx(self, ctx: SubmitBeginContext) -> None:
        self._show(ctx)

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        self._show(ctx)

    def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        self._show(ctx)

    def reason_changed(self, ctx: JobStatusUpdatedContext) -> None:
        """Note why a job waits; the next drawing of the table shows it, or else a line."""
        with self._noting:
            self._job_table.note(ctx)
            told = self._reasons_told.setdefault(ctx.array_dir or ctx.job_id, set())
            is_new = ctx.reason not in told
            told.add(ctx.reason)
        if is_new and ctx.reason not in ("", "None") and self._is_plain():
            with self._displaying:
                self._print(line_of(ctx), failed=False)

    def on_transfer_ctx(self, ctx: TransferContext) -> None:
        self._show(ctx)

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self._reasons_told.pop(ctx.job_id, None)
        self._show(ctx)

    def close(self) -> None:
        """Leave the table as it is, and the terminal to others.

        >>> RichLoggerCallback().close()
        """
        with self._displaying:
            self._forget_ending()
            self._stop()

    def table(self) -> Table:
        """The table as it is now.

        >>> RichLoggerCallback().table().row_count
        0
        """
        from rich.table import Table

        with self._noting:
            rows = self._job_table.shown(self.max_rows)
            cells = [_cells(row) for row in rows]
            cells += [_cells_of_transfer(one) for one in self._job_table.transfers.values()]
            hidden = len(self._job_table.rows) - len(rows)
            doing = [*dict.fromkeys(self._job_table.doing)]
        notes = [*doing, f"{hidden} more rows"] if hidden else doing
        table = Table(box=None, caption=", ".join(notes) or None, caption_justify="left")
        table.add_column("task", overflow="fold")
        table.add_column("")
        for name in COLUMNS:
            table.add_column(name, justify="right")
        for row in cells:
            table.add_row(*row)
        return table

    def _show(self, context: CallbackContext) -> None:
        with self._noting:
            self._job_table.note(context)
            at_rest = self._job_table.at_rest
        with self._displaying:
            self._forget_ending()
            if self._is_plain() or not self._start():
                if not isinstance(context, TransferContext) or context.finished:
                    self._print(line_of(context), failed=is_failure(context))
                return
            if is_failure(context):
                self._print(line_of(context), failed=True)
            if at_rest:
                self._ending = threading.Timer(self.linger_secs, self._end)
                self._ending.daemon = True
                self._ending.start()

    def _is_plain(self) -> bool:
        return self._plain or self._process is not forks.here()

    def _print(self, line: str, *, failed: bool) -> None:
        style = "red" if failed else None
        console = self._own_console.get()
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    def _console_here(self) -> Console:
        """One that shows no table in a forked child: the table is its parent's, which draws it."""
        here = self._process is forks.here()
        return self.console if here else type(self.console)(file=self.console.file)

    def _start(self) -> bool:
        """Make sure of the live display; returns whether there is one."""
        if self._live is not None:
            return True
        if self.console.is_jupyter:
            from slurm.callbacks.rich_parts import NotebookDisplay

            self._live = NotebookDisplay(self.table, self.refresh_per_second)
            self._live.start()
            return True
        from rich.errors import LiveError
        from rich.live import Live

        live = Live(
            console=self.console,
            get_renderable=self.table,
            refresh_per_second=self.refresh_per_second,
            redirect_stdout=_is_terminal(sys.stdout),  # what is piped stays in the pipe
            redirect_stderr=_is_terminal(sys.stderr),
        )
        try:
            live.start(refresh=True)
        except LiveError:  # before Rich 14.1 there is one at most, and this program has its own
            self._plain = True
            return False
        self._live = live
        return True

    def _end(self) -> None:
        """Nothing has happened since everything ended: the next table begins with what comes next."""
        with self._displaying:
            if self._ending is not threading.current_thread():
                return
            self.close()
            with self._noting:
                if self._job_table.at_rest:
                    self._job_table = JobTable()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None and self._process is forks.here():
            live.stop()

    def _forget_ending(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None


def _cells(row: TaskRow) -> list[Any]:
    from rich.text import Text

    from slurm.callbacks.rich_parts import Bar

    return [
        Text(row.title),
        Bar(row.done, row.failed, row.total, width=BAR_WIDTH),
        f"{row.done}/{row.total}",
        str(row.running or "-"),
        Text(row.waiting_words),
        Text(str(row.failed), style="red") if row.failed else "-",
        duration_or_dash(row.elapsed(utc_now())),
    ]


def _cells_of_transfer(transfer: TransferContext) -> list[Any]:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    name = f"{transfer.task_name} {transfer.job_id}".strip()
    return [
        Text(f"{name} {posixpath.basename(transfer.path)}"),
        ProgressBar(total=max(1, transfer.total), completed=transfer.done, width=BAR_WIDTH),
        f"{format_size(transfer.done)}/{format_size(transfer.total)}",
        *("-", "-", "-"),
        duration_or_dash(transfer.duration),
    ]


def _is_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and bool(stream.isatty())
