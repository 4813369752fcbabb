"""Who may see a dashboard in a browser: whoever has its address, from pages of that address. Pure."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
TOKEN_BYTES = 32
# Nothing from other hosts, no other page around this one, and the address with its token to nobody.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self' {origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def new_token() -> str:
    """A secret for one address.

    >>> len(new_token()), new_token() == new_token()
    (43, False)
    """
    return secrets.token_urlsafe(TOKEN_BYTES)


def why_not(
    path: str, headers: Mapping[str, str], *, token: str, port: int, websocket: bool = False
) -> str:
    """Why a request is refused; empty for one that is answered.

    The first part of the path is the token. The host that was asked for is this machine by its own names: another name that
    leads here was made to lead here (DNS rebinding). A browser tells the origin of the page that asks, of a websocket always.

    >>> ours = {"Host": "127.0.0.1:8000"}
    >>> why_not("/secret/", ours, token="secret", port=8000), why_not("/guess/", ours, token="secret", port=8000)
    ('', 'the token in the address is missing or wrong')
    >>> why_not("/secret/", {"Host": "evil.example:8000"}, token="secret", port=8000)
    'this is not the host that was asked for'
    """
    hosts = [f"{name}:{port}" for name in NAMES]
    if headers.get("Host", "") not in hosts:
        return "this is not the host that was asked for"
    origin = headers.get("Origin", "")
    if (origin or websocket) and origin not in [f"http://{host}" for host in hosts]:
        return "another page asks for it"
    given = path.lstrip("/").partition("/")[0]
    if not hmac.compare_digest(given.encode(), token.encode()):
        return "the token in the address is missing or wrong"
    return ""
