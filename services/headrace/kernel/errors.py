"""The two ways in which things end badly.

Rejected            the domain says no: answered with an outcome, never retried
  KeyMismatch, WrongPartition, VersionConflict, …   what the engine itself refuses, below
Fault               the world broke: the process ends with this line, and a supervisor restarts it
  Misconfigured     a setting, a contract or a topic is not as it must be: restarting will not help
  TooMuchParked     one partition cannot go on: it stops, and the process goes on with its others
"""


class Rejected(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """The command is refused.

    A domain names each of its refusals as a subclass; the class name is the outcome's code and the docstring its
    message, so both stay the same for as long as clients depend on them.
    """

    @property
    def code(self) -> str:
        """Name of the refusal, for programs."""
        return type(self).__name__

    @property
    def message(self) -> str:
        """What a person reads: the docstring, on one line."""
        return " ".join((type(self).__doc__ or self.code).split())


class KeyMismatch(Rejected):
    """The record's key is not the aggregate id that the command names."""


class WrongPartition(Rejected):
    """The record lies on another partition than the one that murmur2 gives its key: set partitioner=murmur2_random."""


class AggregateIdInvalid(Rejected):
    """An aggregate id has 1 to 200 characters, and NUL is none of them."""


class EnvelopeInvalid(Rejected):
    """Actor and correlation id have at most 200 characters, a causation id has 300, and NUL is none of them."""


class CommandIdInvalid(Rejected):
    """A command id is a UUID in its 36 character form."""


class CommandIdReused(Rejected):
    """Another command with the same id but another body was answered before."""


class Expired(Rejected):
    """The command was appended to the log longer after issued_at than the deduplication window lasts."""


class IssuedInTheFuture(Rejected):
    """The command's issued_at lies more than a minute after the time at which it was appended to the log."""


class VersionConflict(Rejected):
    """The aggregate is not at the version that the command expects."""


class EventTooLarge(Rejected):
    """The event and the state after it would not fit into one record."""


class KeyParked(Rejected):
    """An earlier command of this aggregate is parked; this one waits behind it."""


class NotParked(Rejected):
    """Nothing is parked for this aggregate."""


class StillFailing(Rejected):
    """A parked command fails again: it and those behind it stay parked; those before it are done."""

    @property
    def message(self) -> str:
        """Which command it is, besides, when it was raised with that."""
        which = "".join(f" ({text})" for text in self.args)
        return f"{super().message.removesuffix('.')}{which}."


class Discarded(Rejected):
    """The command could not be processed, and an operator gave it up; the reason is kept in the parked topic."""


class ReasonMissing(Rejected):
    """Parked commands are discarded for a reason, of 1 to 1000 characters."""


class Fault(Exception):  # noqa: N818 - read as "a fault", beside "rejected"
    """The world broke: what the process cannot mend by itself."""


class Misconfigured(Fault):
    """A setting, a contract or a topic is not as it must be; the message says what to change."""


class TooMuchParked(Fault):
    """More waits in one partition than may wait there: it stops until a fixed version, or a higher cap, is deployed."""

    def __init__(self, place: tuple[str, int], message: str) -> None:
        super().__init__(message)
        self.place = place
