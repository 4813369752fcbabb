"""The ssh backend: its command line, and the whole way through a fake `ssh` that runs things here."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.fakes import DEADLINE, Programs, assert_ended
from tests.helpers.far import spooled

from slurm import Cluster
from slurm.api import connection, ssh
from slurm.api.requests import Archive, JobRequest
from slurm.api.ssh import SSHCommandBackend
from slurm.api.ssh_command import SSHCommand
from slurm.api.transport import BOOTSTRAP, Channel
from slurm.cli.commands import root
from slurm.errors import (
    AuthenticationFailed,
    ConfigError,
    RemoteFileMissing,
    SubmissionUnknown,
    TransportError,
)

pytestmark = pytest.mark.local

# What sshd does: hands the last argument to the user's login shell, which has something to say.
SSH = 'echo $$ >> $HERE/pids; echo "Welcome to login1"; for last; do :; done; exec sh -c "$last"'


@pytest.fixture(autouse=True)
def nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a home where ``slurm login`` was never run."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def backend(programs: Programs) -> Iterator[SSHCommandBackend]:
    """An ssh backend whose other end is this machine; nothing may be left of it when it is closed."""
    before = set(threading.enumerate())
    programs.add("ssh", SSH)
    made = SSHCommandBackend(hostname="login", python=sys.executable)
    yield made
    made.close()
    assert_ended(set(threading.enumerate()) - before)


def kill_connection(programs: Programs) -> None:
    pids = (programs.folder / "pids").read_text().split()
    os.kill(int(pids[-1]), signal.SIGKILL)


# --- the command line ----------------------------------------------------------------------------


def test_a_whole_command_line() -> None:
    backend = SSHCommandBackend(
        hostname="login.example.org",
        username="me",
        port=2222,
        identity_file="/keys/id",
        known_hosts_file="/a b/known_hosts",
        config_file="~/other config",
        connect_timeout=7.4,
    )
    assert backend.argv == [
        *("ssh", "-T", "-F", os.path.expanduser("~/other config")),
        *("-i", "/keys/id", "-o", "IdentitiesOnly=yes"),
        *("-o", 'UserKnownHostsFile="/a b/known_hosts"', "-p", "2222", "-l", "me"),
        *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ControlMaster=no"),
        *("-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "LogLevel=INFO"),
        *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
        *("-o", "ConnectTimeout=7"),
        *("--", "login.example.org", f"exec python3 -u -c '{BOOTSTRAP}'"),
    ]


@pytest.mark.parametrize("options", [{}, {"username": "-oX=y"}, {"known_hosts_file": "/k"}])
def test_host_keys_are_always_checked_and_nothing_ever_prompts(options: dict[str, str]) -> None:
    argv = SSHCommandBackend(hostname="h", **options).argv  # type: ignore[arg-type]
    settings = [argv[i + 1] for i, word in enumerate(argv) if word == "-o"]
    assert "BatchMode=yes" in settings
    assert [s for s in settings if s.startswith("StrictHostKeyChecking")] == [
        "StrictHostKeyChecking=yes"
    ]
    assert argv.index("--") == len(argv) - 3


def test_the_command_that_logs_in_names_what_was_given_and_can_be_pasted() -> None:
    assert SSHCommand("hpc").login == "slurm login hpc"
    command = SSHCommand(
        "hpc",
        username="o'me",
        port=2222,
        identity_file="~/.ssh/my key",
        known_hosts_file="/k",
        config_file="/c",
        connect_timeout=5,
    )
    given = shlex.split(command.login)
    assert given[:2] == ["slurm", "login"]
    with root().make_context("slurm", given[1:]) as ctx:
        login = root().get_command(ctx, "login")
        assert login is not None
        args = login.make_context("login", given[2:], parent=ctx).params
    assert (args["host"], args["username"], args["port"]) == ("hpc", "o'me", 2222)
    assert args["identity_file"] == os.path.expanduser("~/.ssh/my key")
    assert (args["known_hosts_file"], args["config_file"]) == ("/k", "/c")


def test_nothing_that_ssh_starts_may_ask_in_a_window(
    backend: SSHCommandBackend, programs: Programs
) -> None:
    """An ssh to a jump host has no BatchMode."""
    programs.add("ssh", "env >$HERE/environment; exit 1")
    with pytest.raises(TransportError):
        backend.host()
    environment = (programs.folder / "environment").read_text().splitlines()
    assert "SSH_ASKPASS_REQUIRE=never" in environment
    assert "SSH_ASKPASS=false" in environment


@pytest.mark.parametrize("hostname", ["", "-oProxyCommand=touch pwned", "a b", "a\nb"])
def test_a_hostname_that_is_none_is_refused(hostname: str) -> None:
    with pytest.raises(ConfigError, match="hostname"):
        SSHCommandBackend(hostname=hostname)


@pytest.mark.parametrize(
    "name", ["python three", "it's", '"python"', "$(touch pwned)", "`touch pwned`", "p;q&r", "päth"]
)
def test_odd_python_paths_reach_the_login_shell_as_they_are(name: str, tmp_path: Path) -> None:
    python = tmp_path / name
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    command = SSHCommandBackend(hostname="h", python=str(python)).argv[-1]
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"-u\n-c\n{BOOTSTRAP}\n", "")
    assert not (tmp_path / "pwned").exists()


# --- the whole way -------------------------------------------------------------------------------


def test_files_and_the_host_are_reached_through_one_connection(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    assert programs.calls("ssh") == [], "nothing is connected before it is needed"
    assert backend.host().executable == sys.executable
    assert backend.write_file(str(tmp_path / "a" / "b"), b"\0content")
    assert backend.read_file(str(tmp_path / "a" / "b")) == b"\0content"
    assert backend.list_directory(str(tmp_path / "a")) == ["b"]
    with pytest.raises(RemoteFileMissing):
        backend.read_file(str(tmp_path / "none"))
    assert not backend.shares_filesystem
    assert programs.calls("ssh") == [backend.argv[1:]]


def test_a_program_may_take_the_time_it_was_given(
    backend: SSHCommandBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "REQUEST_TIMEOUT", 0.01)
    argv = ["sh", "-c", "cat; sleep 0.1; exit 3"]
    assert backend.run_program(argv, input=b"done", timeout=DEADLINE) == (3, b"done")


def test_many_threads_share_the_connection(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    def there_and_back(number: int) -> bool:
        backend.write_file(str(tmp_path / str(number)), str(number).encode())
        return backend.read_file(str(tmp_path / str(number))) == str(number).encode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(24)))
    assert len(programs.calls("ssh")) == 1


def test_a_dropped_connection_is_made_again(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    for count in (1, 2, 3):
        assert backend.read_file(str(tmp_path / "file")) == b"content"
        assert len(programs.calls("ssh")) == count
        kill_connection(programs)


def test_a_request_in_flight_survives_a_dropped_connection(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    events = tmp_path / "events"
    events.mkdir()
    seen = events / "seen"
    with ThreadPoolExecutor() as pool:
        seen.touch()
        answer = pool.submit(backend.wait_events, str(events), ["seen"], DEADLINE, 0.01)
        wait_until(lambda: not seen.exists(), "the agent waits for events")
        kill_connection(programs)
        (events / "event").write_bytes(b"content")
        assert answer.result(DEADLINE) == {"event": b"content"}
    assert len(programs.calls("ssh")) > 1


def test_a_connection_that_cannot_be_made_again_is_an_error(
    backend: SSHCommandBackend, programs: Programs
) -> None:
    backend.host()
    programs.add("ssh", "echo 'me@login: Permission denied (publickey).' >&2; exit 255")
    kill_connection(programs)
    with pytest.raises(AuthenticationFailed):
        backend.read_file("/etc/passwd")
    assert len(programs.calls("ssh")) == 2, "a refused login is not tried again and again"


# Speaks as the agent does up to its marker, and ends with the first request.
DROPS = """
import sys
n, k = sys.stdin.buffer.readline().split()
sys.stdin.buffer.read(int(n))
print("slurm-tasks-agent " + k.decode(), flush=True)
sys.stdin.buffer.read(12)
"""


def test_a_connection_that_drops_every_time_is_given_up(
    backend: SSHCommandBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(connection, "MOST_LOSSES", 3)
    programs.add("ssh", f"exec {shlex.quote(sys.executable)} -c {shlex.quote(DROPS)}")
    with pytest.raises(TransportError, match="login"):
        backend.read_file("/etc/passwd")
    assert len(programs.calls("ssh")) == 3


def submission(folder: Path, token: str) -> tuple[JobRequest, dict[str, Any]]:
    base = folder / "jobs"
    request = JobRequest(
        job_dir=str(base / "train" / token),
        files={"job.sh": b"#!/bin/bash\n", "metadata.json": b"{}"},
        options={},
        submit_options={"comment": token},
        token=token,
    )
    where = {"base": str(base), "events": f"{base}/.events/me", "archive": Archive(str(folder))}
    return request, where


@pytest.mark.parametrize("when", ["before sbatch answers", "after sbatch has answered"])
def test_a_submission_whose_answer_is_lost_with_the_connection_is_made_once(
    when: str, backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    """sbatch takes the job, and the connection is dead before the client can hear of it."""
    kill = "kill -9 $(tail -n 1 $HERE/pids)"
    queue = "echo '4711|PENDING|Priority||N/A|abc' > $HERE/queue"
    answer = "echo 4711"
    if when.startswith("before"):
        programs.add("sbatch", f"{queue}; {kill}; {answer}")
    else:
        programs.add("sbatch", f"{queue}; {answer}; exec 1>&-; sleep 0.3; {kill}")
    programs.add("squeue", "cat $HERE/queue")
    programs.add("sacct", "exit 0")
    request, where = submission(tmp_path, "abc")
    [answered] = backend.submit_jobs([request], **where)
    assert (answered.job_id, answered.job_dir, answered.error) == ("4711", request.job_dir, None)
    assert len(programs.calls("sbatch")) == 1
    assert len(programs.calls("ssh")) > 1


def test_a_job_arrives_with_its_files_in_directories_that_are_made(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("sbatch", "echo 4711")
    request, where = submission(tmp_path, "abc")
    [answer] = backend.submit_jobs([request._replace(directories=("results",))], **where)
    assert answer.job_id == "4711"
    folder = tmp_path / "jobs" / "train" / "abc"
    assert (folder / "job.sh").read_bytes() == b"#!/bin/bash\n"
    assert (folder / "results").is_dir()
    assert (tmp_path / "jobs" / ".events" / "me").is_dir()


def test_the_base_directory_is_at_home_on_the_cluster(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("ssh", f"export HOME={shlex.quote(str(tmp_path / 'there'))}; {SSH}")
    with closing(Cluster(backend)) as cluster:
        assert cluster.job_base_dir == str(tmp_path / "there" / "slurm_jobs")


def test_a_submission_that_never_left_was_not_made(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("ssh", "echo 'ssh: connect to host login: No route to host' >&2; exit 255")
    request, where = submission(tmp_path, "abc")
    with pytest.raises(TransportError, match=r"nothing was submitted: .*No route to host"):
        backend.submit_jobs([request], **where)


def test_a_submission_that_may_have_arrived_is_unknown_until_it_is_asked_for_again(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    """The connection is lost with the answer, and the next one refused."""
    kill = "kill -9 $(tail -n 1 $HERE/pids)"
    refuse = "echo 'me@login: Permission denied (publickey).' >&2; exit 255"
    programs.add("sbatch", f"touch $HERE/away; {kill}; echo 7")
    programs.add("ssh", f"if [ -e $HERE/away ]; then {refuse}; fi; {SSH}")
    programs.add("squeue", "exit 1")
    request, where = submission(tmp_path, "abc")
    with pytest.raises(SubmissionUnknown, match="Permission denied"):
        backend.submit_jobs([request], **where)
    programs.add("ssh", SSH)
    programs.add("squeue", "echo '7|PENDING|Priority||N/A|abc'")
    [answer] = backend.submit_jobs([request], **where)
    assert (answer.job_id, answer.reattached) == ("7", False)
    assert len(programs.calls("sbatch")) == 1


def test_a_file_that_is_written_only_where_there_is_none_is_known_by_whoever_wrote_it(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    """Also when the answer is lost and the request repeated."""
    path = tmp_path / "new" / "plan"
    lost: list[str] = []
    ask = Channel.request

    def losing(channel: Channel, op: str, *args: Any, **kwargs: Any) -> Any:
        answer = ask(channel, op, *args, **kwargs)
        if op == "write" and not lost:
            lost.append(op)
            channel.close()
            raise TransportError("the answer was lost")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Channel, "request", losing)
        assert backend.write_file(str(path), b"mine", exclusive=True)
    assert lost
    assert not backend.write_file(str(path), b"mine", exclusive=True), "there is one"
    assert [p.name for p in path.parent.iterdir()] == ["plan"]
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("value", [0, -1, float("inf"), "300", True])
def test_a_reconnect_timeout_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="reconnect_timeout"):
        SSHCommandBackend(hostname="login", reconnect_timeout=value)


class Cut:
    """Kills the connection, once, when half of a file has arrived."""

    def __init__(self, programs: Programs) -> None:
        self.programs = programs
        self.at: list[int] = []

    def __call__(self, path: str, done: int, total: int) -> None:
        if done >= total / 2 and not self.at:
            self.at.append(done)
            kill_connection(self.programs)


def offsets_of(op: str, backend: SSHCommandBackend, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where the pieces begin that are asked for, or sent, from now on; over however many connections each goes."""
    offsets: list[int] = []

    def note(method: str) -> None:
        request = getattr(backend, method)

        def noting(name: str, params: dict[str, Any], *more: Any) -> Any:
            if name == op:
                offsets.append(params.get("offset", 0))
            return request(name, params, *more)

        monkeypatch.setattr(backend, method, noting)

    note("request")
    note("request_into")
    return offsets


def test_a_large_file_goes_on_where_the_connection_dropped(
    backend: SSHCommandBackend,
    programs: Programs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = os.urandom(1 << 20)
    (tmp_path / "result.pkl").write_bytes(content)
    backend.piece, backend.large_from = 1 << 16, 1 << 18
    cut = Cut(programs)
    asked = offsets_of("read", backend, monkeypatch)
    with backend.open_file(str(tmp_path / "result.pkl"), progress=cut) as file:
        assert file.read() == content
    assert cut.at
    assert sorted(asked) == list(range(0, 1 << 20, 1 << 16)), "each piece once"


def test_large_arguments_go_on_where_the_connection_dropped(
    backend: SSHCommandBackend,
    programs: Programs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs.add("sbatch", "echo 1")
    content = os.urandom(1 << 20)
    request, where = submission(tmp_path, "abc")
    request = request._replace(large_files={"arguments.pkl": spooled(content)})
    backend.piece = 1 << 16
    cut = Cut(programs)
    sent = offsets_of("put", backend, monkeypatch)
    [answer] = backend.submit_jobs([request], progress=cut, **where)
    assert (answer.job_id, answer.error) == ("1", None)
    assert (Path(answer.job_dir) / "arguments.pkl").read_bytes() == content
    assert cut.at
    assert sorted(sent) == list(range(0, 1 << 20, 1 << 16)), "each piece once"


def test_nothing_of_a_user_reaches_the_login_shell(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("sbatch", "echo 1")
    hostile = "$(touch pwned) `touch pwned` ; touch pwned ' \" \\ \n"
    request, where = submission(tmp_path, "abc")
    comment = {"comment": f"abc {hostile}"}
    [answer] = backend.submit_jobs([request._replace(submit_options=comment)], **where)
    assert answer.job_id == "1"
    assert programs.calls("sbatch")[0][1] == f"--comment=abc {hostile}"
    assert hostile not in shlex.join(programs.calls("ssh")[0])
    assert not list(tmp_path.rglob("pwned"))


def test_a_closed_backend_connects_no_more(backend: SSHCommandBackend, programs: Programs) -> None:
    backend.host()
    backend.close()
    with pytest.raises(TransportError, match="closed"):
        backend.read_file("/etc/passwd")
    backend.close()
    assert len(programs.calls("ssh")) == 1


def test_without_ssh_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TransportError, match="ssh"):
        SSHCommandBackend(hostname="login").host()
