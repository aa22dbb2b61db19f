"""Copies of the checkout in memory, in which faults are planted one at a time; the checkout itself is only read."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Final

from faults import CHECKOUT, Mutant, Result, StaleError, Verdict

COPIED: Final = ("packages", "tests", "tools", "benchmarks", "drills", "pyproject.toml")
SOURCES: Final = tuple(f"packages/{name}/src" for name in ("core", "client", "signer", "platform", "tracing"))
MODULES: Final = ("strongroom_core", "strongroom_client", "strongroom_signer", "strongroom", "strongroom_tracing")
SHARED: Final = "STRONGROOM_SHARED_DATA"  # recorded data beside the checkout; without it tests skip, and faults survive
MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- our folder in it is 0700 and has a random name
TIMEOUT_SECONDS: Final = 300
BASELINE_TIMEOUT_SECONDS: Final = 3600
# Told to stop, a run of pytest stops its PostgreSQL and nodes by itself; one that does not is killed.
LAST_WORDS_SECONDS: Final = 30
TAIL_LINES: Final = 25
# Narrow tests need neither workers nor the API's fuzzer, which alone takes a third of a start.
OPTIONS: Final = ("-q", "--tb=short", *(f"-pno:{name}" for name in ("cacheprovider", "schemathesis", "xdist")))
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
_CAUGHT: Final = 1  # pytest's exit code: tests ran and some failed
_RAN: Final = (0, _CAUGHT)


class Workshop:
    """One copy of the checkout. Planting, running and restoring take turns in it."""

    def __init__(self, folder: Path, root: Path = CHECKOUT) -> None:
        """Copy ``root`` into ``folder``, and see that Python imports from there. Raises ``StaleError``."""
        self.folder = folder
        for name in COPIED:
            _copy(root / name, folder / name)
        if (root / ".tools").exists():
            (folder / ".tools").symlink_to(root / ".tools")
        self._environment = _environment(folder, root)
        self._check_imports()

    def _check_imports(self) -> None:
        """Programs that tests start (signers, workers) inherit the environment, and so import from here as well."""
        code = f"import importlib\nfor name in {MODULES}: print(importlib.import_module(name).__file__)"
        answer = subprocess.run(
            [sys.executable, "-c", code], cwd="/", env=self._environment, capture_output=True, text=True, check=True
        )
        astray = [line for line in answer.stdout.splitlines() if not line.startswith(f"{self.folder}/")]
        if astray:
            message = f"Python imports {', '.join(astray)} instead of the copy in {self.folder}"
            raise StaleError(message)

    @contextlib.contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        """Have the fault in the copy, and afterwards not."""
        file = self.folder / mutant.file
        text = file.read_text(encoding="utf-8")
        _rewrite(file, mutant.planted(text))
        try:
            yield
        finally:
            _rewrite(file, text)

    def run(
        self, tests: Sequence[str], timeout_seconds: float = TIMEOUT_SECONDS, options: Sequence[str] = ("--exitfirst",)
    ) -> tuple[int | None, str]:
        """Run tests, up to the first failure unless told otherwise; pytest's exit code (None: too slow) and words."""
        command = [sys.executable, "-m", "pytest", *OPTIONS, *options, *tests]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            code: int | None = None
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(timeout_seconds)
            finally:
                _end(process)
            output.seek(0)
            return code, output.read().decode(errors="replace")

    def catch(self, mutant: Mutant) -> Result:
        """Plant one fault and see what its tests say."""
        start = monotonic()
        with self.planted(mutant):
            code, output = self.run(mutant.tests)
        return judge(mutant, code, output, monotonic() - start)


def judge(mutant: Mutant, code: int | None, output: str, seconds: float) -> Result:
    """Read pytest's exit code and words: 1 with a failed test is a catch, 0 is none, anything else proves nothing."""
    verdict = {_CAUGHT: Verdict.CAUGHT, 0: Verdict.SURVIVED, None: Verdict.TIMEOUT}.get(code, Verdict.UNSOUND)
    if verdict is Verdict.CAUGHT and "\nFAILED " not in output:
        verdict = Verdict.UNSOUND  # no test came to run: its fixtures broke
    noticed = next((line[1:].strip() for line in output.splitlines() if line.startswith("E ")), "")
    return Result(mutant, verdict, seconds, noticed, _tail(output))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    elif source.exists():
        shutil.copy2(source, target)


def _environment(folder: Path, root: Path) -> dict[str, str]:
    # Without what an outer run of pytest has left in it for its own workers.
    outer = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", "STRONGROOM_"))}
    paths = os.pathsep.join(str(folder / source) for source in SOURCES)
    return outer | {"PYTHONPATH": paths, SHARED: os.environ.get(SHARED, str(root.parent / "shared" / "data"))}


def _rewrite(file: Path, text: str) -> None:
    """Write a module and forget its compiled form: of one length and second, Python would not see the change."""
    file.write_text(text, encoding="utf-8")
    if file.suffix == ".py":
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LAST_WORDS_SECONDS)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-TAIL_LINES:])


@contextlib.contextmanager
def open_workshops(count: int, root: Path = CHECKOUT) -> Iterator[queue.SimpleQueue[Workshop]]:
    """Give ``count`` copies of the checkout; at the end they are gone."""
    base = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="strongroom-mutants-", dir=base) as scratch:
        free: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
        for number in range(count):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            free.put(Workshop(folder, root))
        yield free


def baseline(workshop: Workshop, mutants: Sequence[Mutant]) -> dict[str, Result]:
    """Run the tests of all faults once without any; where some do not pass, say for which faults that proves nothing.

    Where a file cannot be read pytest runs nothing at all, so what is left is asked again without it.
    """
    wrong: dict[str, Result] = {}
    left, code = list(mutants), None
    while left and code not in _RAN:
        tests = list(dict.fromkeys(test for mutant in left for test in mutant.tests))
        code, output = workshop.run(tests, BASELINE_TIMEOUT_SECONDS, ("--maxfail=0",))
        failed = _FAILED.findall(output)
        bad = [mutant for mutant in left if any(_concerns(test, node) for test in mutant.tests for node in failed)]
        for mutant in bad if bad or code == 0 else left:
            wrong[mutant.name] = Result(mutant, Verdict.UNSOUND, 0.0, "fails without the fault", _tail(output))
        left = [mutant for mutant in left if mutant.name not in wrong]
    return wrong


def _concerns(test: str, failed: str) -> bool:
    """Whether a failed node is of the test: itself, one of its cases, or the file that could not be collected."""
    return failed == test or failed.startswith((f"{test}::", f"{test}[")) or test.startswith(f"{failed}::")


def catch_all(
    mutants: Sequence[Mutant], jobs: int, tell: Callable[[Result], None], root: Path = CHECKOUT
) -> list[Result]:
    """Plant every fault; ``tell`` hears of each result as it comes. Results are in the order of ``mutants``."""

    def one(mutant: Mutant) -> Result:
        workshop = free.get()
        try:
            result = wrong.get(mutant.name) or workshop.catch(mutant)
        finally:
            free.put(workshop)
        tell(result)
        return result

    with open_workshops(min(jobs, len(mutants)), root) as free:
        first = free.get()
        wrong = baseline(first, mutants)
        free.put(first)
        with ThreadPoolExecutor(jobs) as threads:
            return list(threads.map(one, mutants))
