"""What is claimed of a log and its tables, and which invariants each claim is about.

The invariants are those of the guarantees that Headrace gives:

    I1  versions are 1..n, each once, in offset order     I10 group offsets: no further than what was answered
    I2  one outcome a command, events exactly as it says  I11 all is done after a fault, no transaction is open
    I3  what was acknowledged is there, and answered      I12 a restored state is the fold up to where it was read
    I4  nothing is seen that nobody sent, or was aborted  I14 what cannot be processed is kept once, and in order
    I5  a resend has one effect and the same answer       I15 nobody writes after another has taken over
    I6  money is neither made nor lost, at any cut
    I7  a row is the fold of its events                   I19 an order is kept that a client could see
    I8  positions never go back, and move with the rows   I20 what is hidden was aborted, and nothing else
    I9  the journal holds every version
"""

from typing import Final, NamedTuple

from headrace_load.verify.report import Check


class Claim(NamedTuple):
    """Which invariants a check is about, and what it claims."""

    invariants: tuple[str, ...]
    text: str


CLAIMS: Final = {
    "versions": Claim(
        ("I1", "I9"), "each aggregate's versions are 1..n in the journal and on from there, rising by offset"
    ),
    "journal": Claim(("I9",), "the journal holds every event of the topic, byte for byte, and no other"),
    "answers": Claim(
        ("I2", "I10", "I14"),
        "every command has one outcome, one more when it was parked; every other record is set aside once",
    ),
    "parking": Claim(("I14",), "what is parked waits in order, and nothing of its key passes it"),
    "audit": Claim(("I2",), "the audit, where one is kept, holds every outcome of the topic as it says, and no other"),
    "effects": Claim(("I2",), "events exist exactly where an outcome says so"),
    "content": Claim(
        ("I2",), "an event says what its command asked for, and no command is accepted without what it leads to"
    ),
    "resends": Claim(("I5",), "a resend has the first answer and no effect"),
    "admission": Claim(
        ("I2", "I5"), "a command that expects a version, or was issued at a time, is accepted only where that holds"
    ),
    "facts": Claim(("I2",), "ids and times of events follow from their commands, in their order"),
    "writers": Claim(("I15",), "nobody writes in a partition after another has taken it over"),
    "states": Claim(("I12",), "the state in each event is the fold of the events up to it"),
    "rows": Claim(("I7",), "each row is the fold of its events in the journal, without those that were set aside"),
    "money": Claim(
        ("I6",), "no money is made or lost: each debit has its credit, each transfer one end, each step its cause"
    ),
    "held": Claim(("I14",), "what projectors hold back is in the log, and nothing of its key has overtaken it"),
    "positions": Claim(
        ("I8", "I10", "I11"), "projectors, handlers and reactors stand at the end, no transaction is open"
    ),
    "reactors": Claim(("I11", "I14"), "no timer of a reactor is overdue, and no transaction of its own is open"),
    "keys": Claim(("I1",), "each key lies on the partition that murmur2 names"),
    "isolation": Claim(("I4", "I20"), "what readers of committed records do not see was aborted, and done again"),
    "acknowledged": Claim(("I3",), "what clients were told is in the log lies there and is answered"),
    "senders": Claim(("I4",), "no command lies in the log that no client sent, or more often than it was sent"),
    "order": Claim(("I19",), "a command acknowledged before another of its aggregate was sent lies and acts before it"),
    "restored": Claim(("I12",), "what a handler restored is the fold of the log up to where it says it had read"),
    "contracts": Claim(("I14",), "every event, outcome and parked record can be read"),
}


def fresh_checks() -> dict[str, Check]:
    """A check for each claim, that has looked at nothing yet."""
    return {name: Check(name, claim.text, claim.invariants) for name, claim in CLAIMS.items()}
