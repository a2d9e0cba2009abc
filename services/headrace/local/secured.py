"""A broker's second door, for tests: whoever comes by it says who he is, and may do what he has been given rights to.

The first door stays as it is, on loopback alone and without a password; who comes by it may do everything.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

LISTENER: Final = "SECURED"
LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"


class Secured(Struct, frozen=True):
    """Passwords by user, for SASL PLAIN; with a `certificate`, a PEM file of key and chain, the door speaks TLS."""

    passwords: Mapping[str, str]
    certificate: Path | None = None

    @property
    def protocol(self) -> str:
        """What Kafka calls it."""
        return "SASL_SSL" if self.certificate else "SASL_PLAINTEXT"

    def properties(self, port: int) -> dict[str, str]:
        """The broker properties of this door, `listeners` and `advertised.listeners` but for the first one's."""
        users = " ".join(f'user_{name}="{password}"' for name, password in self.passwords.items())
        prefix = f"listener.name.{LISTENER.lower()}"
        found = {
            "listeners": f"{LISTENER}://127.0.0.1:{port}",
            "advertised.listeners": f"{LISTENER}://127.0.0.1:{port}",
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{LISTENER}:{self.protocol}",
            "inter.broker.listener.name": "PLAINTEXT",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            f"{prefix}.sasl.enabled.mechanisms": "PLAIN",
            f"{prefix}.plain.sasl.jaas.config": f"{LOGIN} required {users};",
        }
        if self.certificate:
            found |= {
                f"{prefix}.ssl.keystore.type": "PEM",
                f"{prefix}.ssl.keystore.location": str(self.certificate),
            }
        return found
