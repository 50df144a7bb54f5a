"""Where a server listens, who may ask, and how much at a time."""

import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from trifold.errors import SettingsError, require
from trifold.inference.settings import require_probability

KEY_VARIABLE = "TRIFOLD_API_KEY"
_MEGABYTE = 1_000_000
_NO_NEGATIVE = Parameter(negative=())


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """Where a server listens, who may ask, and how much at a time.

    Attributes:
        host: Address to listen at. The default is reached from this machine alone; 0.0.0.0 from every other one, too.
        port: Port to listen at; 0 takes a free one, which is said.
        api_key: Key that every request must bear (Authorization: Bearer KEY). Better set as the environment variable
            TRIFOLD_API_KEY, since others on the machine can read command lines.
        allowed_host: Name by which the server may be asked for beside its address, such as that of a proxy in front of
            it; may be given several times. Needed only where it listens on this machine alone.
        cors_origin: Origin of web pages that may ask, such as https://example.com; may be given several times. Pages of
            other origins are refused by browsers.
        max_body_megabytes: Size of a request.
        max_file_megabytes: Size of a file that is dropped on the page.
        body_seconds: Time in which a request must have arrived.
        drain_seconds: Time that requests get to end after SIGTERM or Ctrl-C.
        page: Have a page at / where texts can be tried.
        access_log: Tell each request in a line of JSON on standard error, without its texts.
        reject_below: Give no label where the model is less sure than this probability, unless a request names another.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    allowed_host: Annotated[tuple[str, ...], _NO_NEGATIVE] = ()
    cors_origin: Annotated[tuple[str, ...], _NO_NEGATIVE] = ()
    max_body_megabytes: float = 2.0
    max_file_megabytes: float = 200.0
    body_seconds: float = 30.0
    drain_seconds: float = 30.0
    page: bool = True
    access_log: bool = True
    reject_below: float = 0.0

    def __post_init__(self) -> None:
        require(bool(self.host.strip()), "--host ''", "give an address such as 127.0.0.1")
        require(0 <= self.port < 65_536, f"--port {self.port}", "give 1 to 65535, or 0 for a free one")
        for name in ("max_body_megabytes", "max_file_megabytes", "body_seconds"):
            value = getattr(self, name)
            require(value > 0, f"--{name.replace('_', '-')} {value:g}", "give more than 0")
        require(self.drain_seconds >= 0, f"--drain-seconds {self.drain_seconds:g}", "give 0 or more")
        require_probability(self.reject_below)
        for origin in self.cors_origin:
            require(_is_origin(origin), f"--cors-origin {origin}", "give an origin such as https://example.com, or *")
        for name in self.allowed_host:
            require(bool(name) and not set("/: ") & set(name), f"--allowed-host {name}", "give a name without a port")
        require(self.api_key is None or _is_key(self.api_key), "--api-key", "a key has no spaces and no other signs")

    @property
    def max_body_bytes(self) -> int:
        """The largest request."""
        return int(self.max_body_megabytes * _MEGABYTE)

    @property
    def max_file_bytes(self) -> int:
        """The largest file."""
        return int(self.max_file_megabytes * _MEGABYTE)

    @property
    def key(self) -> str | None:
        """The key that requests must bear; of the environment where no flag gives it, and `None` where nothing does.

        Raises:
            SettingsError: If the one of the environment cannot be a key.
        """
        found = os.environ.get(KEY_VARIABLE)
        given = None if found is None else found.strip()
        if self.api_key is None and given == "":
            # As where a secret was not found: whoever sets a key means that not everyone may ask.
            raise SettingsError(f"the environment variable {KEY_VARIABLE} is empty: set it to a key, or unset it")
        if self.api_key is None and given is not None and not _is_key(given):
            raise SettingsError(
                f"the environment variable {KEY_VARIABLE} holds a character that no key has (a space, a line break, a "
                "letter beyond ASCII): set it to the key alone"
            )
        return self.api_key or given

    @property
    def hosts(self) -> frozenset[str] | None:
        """The names by which the server may be asked for, in lower case; `None` where any name will do.

        A page of another site whose name is made to lead to this machine (DNS rebinding) sends that name. A server that
        other machines reach is known by names that are not known here.
        """
        if not is_loopback(self.host):
            return frozenset(map(str.lower, self.allowed_host)) if self.allowed_host else None
        own = {"localhost", "127.0.0.1", "::1", self.host.strip("[]")}
        return frozenset(name.lower() for name in (*own, *self.allowed_host))


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_key(text: str) -> bool:
    return bool(text) and all("!" <= character <= "~" for character in text)


def _is_origin(text: str) -> bool:
    if text == "*":
        return True
    try:
        found = urlsplit(text)
        return found.scheme in ("http", "https") and bool(found.hostname) and text == f"{found.scheme}://{found.netloc}"
    except ValueError:
        return False
