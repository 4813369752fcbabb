"""Whether the directory for jobs can be used, and whether clocks agree: checks of what `site_probe` has found. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slurm.config.findings import Finding, Verdict, printable
from slurm.usage import format_size

NAMES = ("job-base-dir", "space", "programs-run")
LITTLE, TOO_LITTLE = 1 << 30, 50 << 20  # bytes
APART, TOO_FAR = 5.0, 300.0  # seconds; munge refuses what is signed five minutes off
CHOOSE = "choose another with --job-base-dir, or job_base_dir in [ENV.cluster]"


def examine(base: Mapping[str, Any]) -> Iterator[Finding]:
    """All checks of the directory for jobs."""
    found = private(base)
    yield found
    if found.verdict is Verdict.FAIL and not base.get("there"):
        yield from (
            Finding(name, Verdict.SKIP, "not looked at: job-base-dir failed") for name in NAMES[1:]
        )
        return
    yield space(base)
    yield programs_run(base)


def private(base: Mapping[str, Any]) -> Finding:
    """Whether it is there or can be made, and nobody else can write into it."""
    path, there = printable(base["path"]), printable(base.get("there", ""))
    if base["problem"]:
        return _bad(f"{path}: {printable(base['problem'])}", CHOOSE)
    if not base["is_directory"]:
        return _bad(f"{there} is no directory", CHOOSE)
    if base["exists"] and not base["own"]:
        return _bad(f"{path} belongs to somebody else", CHOOSE)
    if base["exists"] and base["others_can_write"]:
        fix = f"chmod go-w {path} there, if its content is to be trusted; or {CHOOSE}"
        return _bad(f"other users can write to {path}, and so change what your jobs run", fix)
    if not base["writable"]:
        return _bad(f"you may not write to {there}", CHOOSE)
    kind = f", on {base['file_system']}" if base["file_system"] else ""
    how = "is there" if base["exists"] else f"can be made in {there}"
    return Finding("job-base-dir", Verdict.PASS, f"{path} {how}{kind}")


def _bad(text: str, fix: str) -> Finding:
    return Finding("job-base-dir", Verdict.FAIL, text, fix)


def space(base: Mapping[str, Any]) -> Finding:
    """Whether there is room for files, in bytes, in number, and by the user's quota."""
    fix = "remove what no job needs: slurm clean; or use another job_base_dir"
    if base["quota"]:
        return Finding("space", Verdict.FAIL, f"over quota: {printable(base['quota'])}", fix)
    if base["files_free"] == 0:
        return Finding("space", Verdict.FAIL, "no file can be made there: no inodes are left", fix)
    free = base["free"]
    text = f"{format_size(free)} free"
    if free < TOO_LITTLE:
        return Finding("space", Verdict.FAIL, text, fix)
    if free < LITTLE:
        return Finding("space", Verdict.WARN, text, fix)
    return Finding("space", Verdict.PASS, text)


def programs_run(base: Mapping[str, Any]) -> Finding:
    """Whether programs can be run from there: environments and their interpreters are put there."""
    if base["noexec"]:
        text = (
            "the file system is mounted noexec: no environment that the SDK makes there can be run"
        )
        return Finding("programs-run", Verdict.WARN, text, f"{CHOOSE}; or use a python of the site")
    return Finding("programs-run", Verdict.PASS, "the file system is not mounted noexec")


def clock(name: str, ahead: float, of_whom: str) -> Finding:
    """Whether a clock agrees with the one here; it is `ahead` by so many seconds.

    >>> print(clock("clock", -0.01, "the login node"))
    PASS clock: the login node's agrees to a second
    """
    apart = abs(ahead)
    if apart < 1:
        return Finding(name, Verdict.PASS, f"{of_whom}'s agrees to a second")
    text = f"{of_whom}'s is {apart:.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if apart < APART:
        return Finding(name, Verdict.PASS, text)
    fix = "set the clocks by NTP: see timedatectl"
    verdict = Verdict.FAIL if apart >= TOO_FAR else Verdict.WARN
    return Finding(name, verdict, text, fix)
