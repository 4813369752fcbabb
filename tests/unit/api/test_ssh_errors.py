"""What ssh says when there is no connection, as one line that says how to mend it.

The transcripts are those of OpenSSH 9.2, with the hosts renamed.
"""

from __future__ import annotations

import pytest

from slurm.api.ssh_errors import explain
from slurm.errors import AuthenticationFailed, HostKeyError, TransportError

LOGIN = "slurm login --port 2222 hpc"
BY_JUMP = (
    "kex_exchange_identification: Connection closed by remote host\n"
    "Connection closed by UNKNOWN port 65535"
)
CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:tFkrm63tQ46XuKT0FNl3BJi8n5oz5QIM2Xw7H+o8/vA.
Please contact your system administrator.
Add correct host key in /home/me/my keys/known_hosts to get rid of this message.
Offending ED25519 key in /home/me/my keys/known_hosts:7
Host key for [hpc]:2222 has changed and you have requested strict checking.
Host key verification failed."""
REVOKED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@       WARNING: REVOKED HOST KEY DETECTED!               @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
The ED25519 host key for hpc is marked as revoked.
This could mean that a stolen key is being used to
impersonate this host.
ED25519 host key for hpc was revoked and you have requested strict checking.
Host key verification failed."""


def explained(said: str, what: str = "the connection was closed") -> TransportError:
    error = explain("hpc", what, said.splitlines(), LOGIN)
    assert str(error).startswith("hpc: ")
    assert str(error).isprintable(), "one line, and nothing that a terminal would obey"
    return error


# --- host keys -----------------------------------------------------------------------------------


def test_an_unknown_host_key() -> None:
    error = explained(
        "No ED25519 host key is known for hpc and you have requested strict checking.\n"
        "Host key verification failed."
    )
    assert type(error) is HostKeyError
    assert "No ED25519 host key is known for hpc" in str(error)
    assert str(error).endswith(f"accept it once: {LOGIN}")


def test_an_unknown_host_key_of_a_jump_host() -> None:
    error = explained(f"Host key verification failed.\n{BY_JUMP}")
    assert type(error) is HostKeyError
    assert "of a jump host" in str(error)
    assert str(error).endswith(LOGIN)


def test_a_changed_host_key_is_not_accepted_lightly() -> None:
    error = explained(CHANGED)
    assert type(error) is HostKeyError
    assert "Host key for [hpc]:2222 has changed" in str(error)
    assert "administrators" in str(error)
    assert "ssh-keygen -R '[hpc]:2222' -f '/home/me/my keys/known_hosts'" in str(error)
    assert "@@@" not in str(error)


def test_a_revoked_host_key_is_no_key_to_accept() -> None:
    error = explained(REVOKED)
    assert type(error) is HostKeyError
    assert "marked as revoked" in str(error)
    assert LOGIN not in str(error)


# --- logins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "me@hpc: Permission denied (publickey).",
        "me@hpc: Permission denied (publickey,gssapi-keyex,gssapi-with-mic,password).",
        "me@hpc: Permission denied (keyboard-interactive).",
        f"me@gate: Permission denied (publickey).\n{BY_JUMP}",
        "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\n"
        "Disconnected from 10.0.0.1 port 22",
        "WARNING: Your password has expired.\nPassword change required but no TTY available.",
    ],
)
def test_a_refused_login_names_the_command(said: str) -> None:
    error = explained(f"*** Authorised use only ***\n{said}")
    assert type(error) is AuthenticationFailed
    assert said.splitlines()[0] in str(error)
    assert str(error).endswith(f"log in once for all programs: {LOGIN}")
    assert "Authorised" not in str(error)
    assert "65535" not in str(error)


def test_a_login_whose_connection_is_full_says_so() -> None:
    error = explained(
        "mux_client_request_session: session request failed: Session open refused by peer\n"
        "me@hpc: Permission denied (keyboard-interactive)."
    )
    assert type(error) is AuthenticationFailed
    assert "MaxSessions" in str(error)


def test_without_a_command_the_hosts_name_is_quoted() -> None:
    error = explain("a$b", "", ["me@a: Permission denied (publickey)."])
    assert str(error).endswith("slurm login 'a$b'")


def test_ssh_of_a_user_that_nobody_knows_says_what_it_needs() -> None:
    error = explained("No user exists for uid 54321")
    assert str(error).startswith("hpc: No user exists for uid 54321")
    assert "passwd" in str(error)


def test_a_file_that_is_denied_is_no_login() -> None:
    error = explained("bash: /etc/profile.d/site.sh: Permission denied")
    assert type(error) is TransportError


# --- the way there -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "line", "advice"),
    [
        ("ssh: Could not resolve hostname hpc: Name or service not known", 0, "alias"),
        ("ssh: connect to host hpc port 3: Connection refused", 0, "port"),
        ("ssh: connect to host hpc port 22: No route to host", 0, "VPN"),
        ("ssh: connect to host hpc port 22: Network is unreachable", 0, "VPN"),
        ("ssh: connect to host hpc port 22: Connection timed out", 0, "VPN"),
        ("ssh: connect to host hpc port 22: Operation timed out", 0, "VPN"),
        (
            "Connection timed out during banner exchange\nConnection to 10.0.0.1 port 22 timed out",
            0,
            "VPN",
        ),
        (f"ssh: connect to host gate port 3: Connection refused\n{BY_JUMP}", 0, "port"),
        (
            "channel 0: open failed: connect failed: Connection refused\n"
            f"stdio forwarding failed\n{BY_JUMP}",
            0,
            "jump host",
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\n"
            f"stdio forwarding failed\n{BY_JUMP}",
            0,
            "jump host",
        ),
        (BY_JUMP, 0, "hung up"),
        ("kex_exchange_identification: read: Connection reset by peer", 0, "hung up"),
        ("Connection reset by 10.0.0.1 port 22", 0, "hung up"),
        (
            "/home/me/.ssh/config: line 3: Bad configuration option: prot\n"
            "/home/me/.ssh/config: terminating, 1 bad configuration options",
            0,
            "ssh_config",
        ),
        ("Bad owner or permissions on /home/me/.ssh/config", 0, "ssh_config"),
        ("Can't open user config file /x: No such file or directory", 0, "ssh_config"),
        (
            "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. "
            "Their offer: ssh-rsa",
            0,
            "algorithm",
        ),
        ("Hello!\nbash: line 1: exec: python3: not found", 1, "interpreter"),
        ("zsh:1: command not found: python3.9", 0, "interpreter"),
        ("python3: Command not found.", 0, "interpreter"),
    ],
)
def test_no_connection(said: str, line: int, advice: str) -> None:
    error = explained(said)
    assert type(error) is TransportError
    assert said.splitlines()[line].rstrip(".") in str(error)
    assert advice in str(error)


def test_a_proxy_command_that_is_missing() -> None:
    error = explained(f"/bin/sh: 1: exec: corkscrew: not found\n{BY_JUMP}")
    assert str(error) == "hpc: /bin/sh: 1: exec: corkscrew: not found"


# --- what is no reason ---------------------------------------------------------------------------


def test_what_was_seen_here_is_said_where_ssh_said_nothing() -> None:
    assert str(explained(" \n", "no answer")) == "hpc: no answer"
    noise = (
        "Control socket connect(/home/me/.ssh/cm): Connection refused\n"
        "Pseudo-terminal will not be allocated because stdin is not a terminal."
    )
    assert str(explained(noise, "no answer")) == "hpc: no answer"


def test_other_words_are_passed_on_but_for_what_a_terminal_would_obey() -> None:
    assert str(explained("\x1b[31mThis account\tis closed.\x07\n\nBye")) == (
        "hpc: [31mThis account is closed.; Bye"
    )


@pytest.mark.parametrize("ended", [0, 1])
def test_a_command_that_ended_is_no_login_that_failed(ended: int) -> None:
    """Only where nothing else is known: the shell has said by itself what it did not find."""
    advice = (
        f"No agent began there (exit status {ended}): if python= is no Python 3.6 or newer there"
    )
    assert str(explain("hpc", "it was closed", ["ls: no option -u"], "", ended)).startswith(
        f"hpc: ls: no option -u. {advice}"
    )
    assert str(explain("hpc", "it was closed", [], "", ended)).startswith(
        f"hpc: it was closed. {advice}"
    )
    missing = explain("hpc", "it was closed", ["bash: line 1: exec: py: not found"], "", ended)
    assert advice not in str(missing)


def test_a_flood_is_cut_to_its_end() -> None:
    error = explained("\n".join(["Welcome!" * 50] * 50 + ["This account is closed"]))
    assert str(error).endswith("This account is closed")
    assert len(str(error)) < 1100
