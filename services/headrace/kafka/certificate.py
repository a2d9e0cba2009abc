"""What is wrong with a broker's certificate: the client library says only that it could not be verified."""

import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

TIMEOUT_S: Final = 5.0


def out_of_date(servers: str) -> str:
    """When the first certificate that is out of date ended or is to begin, as part of a sentence; empty for none."""
    for server in servers.split(","):
        with suppress(OSError, ValueError):  # it is looked at for the sake of a better line, no more
            if why := _judged(*_validity(server.strip())):
                return why
    return ""


def _judged(begins: datetime, ends: datetime) -> str:
    now = datetime.now(UTC)
    if ends < now:
        return f"it expired on {ends:%Y-%m-%d}"
    return f"it is valid from {begins:%Y-%m-%d} on" if begins > now else ""


def _validity(server: str) -> tuple[datetime, datetime]:
    from cryptography import x509  # noqa: PLC0415 - slow to import, and seldom needed

    host, _, port = server.rpartition(":")
    # Nothing is sent there and nothing believed: the certificate is what is looked at.
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S) as plain,
        looking.wrap_socket(plain, server_hostname=host.strip("[]")) as connection,
    ):
        found = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    return found.not_valid_before_utc, found.not_valid_after_utc
