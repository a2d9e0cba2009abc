# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""How a command is answered that is simply accepted, or refused by the domain, compiled: most are.

None stands for every other answer, with nothing changed: a command that is known or out of date, a record that is none,
code that breaks. Those are given by `Partition` in Python, from their beginning; since a decider is a pure function, it
does not matter that it may be asked twice. So what is refused, and why, is said there alone: what is looked at here may
be stricter than that, and never less strict.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Contains
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp

from headrace.avro.compiled cimport (
    begin, long_at, Output, Places, Reader, ROOM, slots_of, Span, write_long, write_span, write_text, Writer,
)

from headrace.avro.codec import MAX_META_BYTES, MAX_RECORD_BYTES, PREFIX_LENGTH
from headrace.avro.compiled import Unusual
from headrace.handler.admission import MAX_CAUSATION_LENGTH, MAX_ID_LENGTH
from headrace.handler.memory import Versioned
from headrace.handler.replies import ACCEPTANCE, FALSE, MAX_EVENT_BYTES, NULL as NONE_GIVEN, Answer
from headrace.handler.window import SKEW_MS
from headrace.kernel.errors import Rejected
from headrace.kernel.message import CommandMeta

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object mapping, object key) except? NULL
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef enum:
    UUID_LENGTH = 36
    DIGITS = 20
    # What is written beside texts that may be long: a command's id, a hash, numbers, the lengths of texts.
    NUMBERS = 250
    # The places in META and in VERSIONED.
    COMMAND_ID = 0
    NAME = 1
    EXPECTED_VERSION = 2
    ISSUED_AT = 3
    ACTOR = 4
    CORRELATION_ID = 5
    CAUSATION_ID = 6
    VERSION = 0
    STATE = 1

cdef Py_ssize_t PREFIX = PREFIX_LENGTH
cdef Py_ssize_t LARGEST_RECORD = MAX_RECORD_BYTES
cdef Py_ssize_t LARGEST_META = MAX_META_BYTES
cdef Py_ssize_t LARGEST_EVENT = MAX_EVENT_BYTES
cdef Py_ssize_t LONGEST_ID = MAX_ID_LENGTH
cdef Py_ssize_t LONGEST_CAUSE = MAX_CAUSATION_LENGTH
cdef int64_t SKEW = SKEW_MS
cdef tuple ACCEPTED = ACCEPTANCE
cdef bytes NO_ACTOR = NONE_GIVEN, NOT_REPEATED = FALSE

cdef object answer_of = Answer
cdef object versioned = Versioned
cdef object rejected = Rejected
cdef Places META = slots_of(
    CommandMeta,
    ("command_id", "aggregate_id", "expected_version", "issued_at", "actor", "correlation_id", "causation_id"),
)
cdef Places VERSIONED = slots_of(Versioned, ("version", "state"))


cdef inline object slot(object whole, Places places, Py_ssize_t number):
    return <object>(<PyObject **>(<char *><PyObject *>whole + places.at[number]))[0]


cdef inline bint is_plain(object text, Py_ssize_t longest):
    """Whether a text is short enough, and has neither a NUL nor what takes more than a byte."""
    if not PyUnicode_CheckExact(text) or not PyUnicode_IS_COMPACT_ASCII(text):
        return False
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(text)
    return length <= longest and memchr(PyUnicode_DATA(text), 0, length) == NULL


cdef inline bint is_uuid(object text):
    cdef const unsigned char *at
    cdef Py_ssize_t place
    if not is_plain(text, UUID_LENGTH) or PyUnicode_GET_LENGTH(text) != UUID_LENGTH:
        return False
    at = <const unsigned char *>PyUnicode_DATA(text)
    for place in range(UUID_LENGTH):
        if place == 8 or place == 13 or place == 18 or place == 23:
            if at[place] != c"-":
                return False
        elif not (c"0" <= at[place] <= c"9" or c"a" <= (at[place] | 32) <= c"f"):
            return False
    return True


cdef inline bint is_plain_or_none(object text, Py_ssize_t longest):
    return text is None or is_plain(text, longest)


cdef inline Py_ssize_t length_of(object text):
    return 0 if text is None else PyUnicode_GET_LENGTH(text)


cdef inline Span span_of(bytes ready):
    cdef Span span
    span.begin, span.size = PyBytes_AS_STRING(ready), PyBytes_GET_SIZE(ready)
    return span


cdef inline Span span_since(Output *out, const unsigned char *begin):
    cdef Span span
    span.begin, span.size = begin, out.at - begin
    return span


cdef inline Span put_text(Output *out, object text) except *:
    cdef const unsigned char *begin = out.at
    write_text(out, text)
    return span_since(out, begin)


cdef inline Span put_long(Output *out, int64_t number) except *:
    cdef const unsigned char *begin = out.at
    write_long(out, number)
    return span_since(out, begin)


cdef struct Asked:
    # What the records of an answer repeat of its command, each as it is written.
    Span command_id
    Span name
    Span when
    Span where
    Span correlation_id
    Span causation_id
    Span actor
    Span bare_name  # without its length


cdef class Kind:
    """One type of command: what reads it, what its hash begins with, its name in an outcome, how it is counted."""

    cdef Reader reader
    cdef object digest
    cdef bytes written_name
    cdef tuple told

    def __init__(self, reader, digest, written_name, told):
        self.reader, self.digest, self.written_name, self.told = reader, digest, written_name, told


cdef class Accepting:
    """One partition's; `kinds` are by the first bytes of a command, `writers` by the class of an event.

    `readers`, of events, are by the first bytes of one. `memory` is the partition's own, and changed here as it changes
    itself, but that an aggregate is kept as its newest event was written. Bytes lie in one place and are nothing to the
    collector; what they decode to is many small objects, and to find those once they have left the caches takes longer
    than to make them anew. Nothing here leads back to the partition: the memory of one that is given up must be free at
    once.
    """

    cdef dict kinds, writers, readers, aggregates
    cdef list generations, before
    cdef object decide, evolve, decode, refuse_bad_key, replies, initial
    cdef Writer write_outcome
    cdef bytes begin_of_id, writer
    cdef int64_t oldest_ms

    def __init__(self, aggregate, kinds, writers, readers, write_outcome, admission, decode, replies, memory):
        self.kinds = {prefix: Kind(*kind) for prefix, kind in kinds.items()}
        self.writers, self.readers, self.write_outcome = writers, readers, write_outcome
        self.begin_of_id, self.decide, self.evolve = f"{aggregate.name}/".encode(), aggregate.decide, aggregate.evolve
        self.refuse_bad_key, self.oldest_ms = admission.refuse_bad_key, admission.span_ms - SKEW
        self.decode, self.replies, self.writer = decode, replies, replies.writer
        self.initial = aggregate.initial
        self.aggregates, self.generations, self.before = memory.aggregates, memory.window.generations, memory.before

    def answer(self, key, value, int64_t offset, int64_t at):
        """The answer of a command that is accepted, or refused by the domain; None for every other record."""
        cdef unsigned char room[ROOM]
        cdef Output out
        cdef Asked asked
        cdef Kind kind
        cdef list frames = []
        cdef dict younger, older
        cdef bytes body_hash
        cdef tuple verdict = ACCEPTED
        cdef int64_t version = 0
        begin(&out, room)
        try:
            kind = self.kind_of(value)
            meta, body, body_hash = asked_of(kind, value)
            command_id, name = slot(meta, META, COMMAND_ID), slot(meta, META, NAME)
            younger, older = self.generations
            if PyDict_Contains(younger, command_id) or PyDict_Contains(older, command_id):
                return None
            known, told = or_none(PyDict_GetItemWithError(self.aggregates, name)), kind.told
            state = self.state_of(known, &version)
            self.admit(key, meta, version, at)
            ask(&out, meta, offset, at, &asked, PyBytes_GET_SIZE(self.begin_of_id))
            try:
                self.decide_on(out, &asked, body, state, version, at, frames)
                version += len(frames)
            except rejected as refusal:
                frames.clear()
                verdict, told = self.replies.refused_as(refusal, kind.told[0])
            outcome = self.outcome_of(out, &asked, kind, body_hash, verdict, version, len(frames))
        except Exception:
            return None
        if frames:
            put(self.before, self.aggregates, name, known, (<tuple>frames[len(frames) - 1])[1])
        put(self.before, younger, command_id, None, outcome)
        tally = self.replies.told
        tally.commands.append(told)
        for event_kind, _ in frames:
            tally.events.append(event_kind)
        return answer_of(name, frames, outcome)

    cdef int decide_on(
        self, Output out, Asked *asked, body, state, int64_t version, int64_t at, list frames
    ) except -1:
        """Put the events of a command among the frames; raises what the domain does."""
        cdef list events = self.decide(body, state, at)
        for event in events:
            state = self.evolve(state, event)
            version += 1
            event_kind, writer = self.writers[type(event)]
            frames.append((event_kind, self.frame_of(out, asked, <Writer?>writer, event, state, version)))
        return 0

    cdef Kind kind_of(self, value):
        if not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(value) < PREFIX:
            raise Unusual
        return self.kinds[PyBytes_FromStringAndSize(PyBytes_AS_STRING(value), PREFIX)]

    cdef object state_of(self, known, int64_t *version):
        """The aggregate's state and version, the batch under way included."""
        cdef bytes frame
        cdef PyObject *reader
        if known is None:
            return self.initial
        if type(known) is versioned:
            version[0] = slot(known, VERSIONED, VERSION)
            return slot(known, VERSIONED, STATE)
        frame = known
        reader = PyDict_GetItemWithError(self.readers, frame[:PREFIX])
        if reader == NULL:
            record = self.decode(frame)
            version[0] = record.meta.version
            return record.state
        if PyBytes_GET_SIZE(frame) > LARGEST_RECORD:
            raise Unusual
        version[0] = long_at(frame, PREFIX)
        return (<Reader>reader).last_of(frame, PREFIX, LARGEST_META)

    cdef int admit(self, key, meta, int64_t version, int64_t at) except -1:
        """Go on with what admission lets pass, and with no more than that."""
        cdef int64_t issued
        name, issued_at = slot(meta, META, NAME), slot(meta, META, ISSUED_AT)
        expected_version = slot(meta, META, EXPECTED_VERSION)
        if not is_plain(name, LONGEST_ID) or not PyBytes_CheckExact(key):
            raise Unusual
        if PyBytes_GET_SIZE(key) != PyUnicode_GET_LENGTH(name):
            raise Unusual
        if memcmp(PyBytes_AS_STRING(key), PyUnicode_DATA(name), PyBytes_GET_SIZE(key)) != 0:
            raise Unusual
        if version == 0:
            self.refuse_bad_key(key, name)
        if not is_uuid(slot(meta, META, COMMAND_ID)) or not is_plain_or_none(slot(meta, META, ACTOR), LONGEST_ID):
            raise Unusual
        if not is_plain_or_none(slot(meta, META, CORRELATION_ID), LONGEST_ID):
            raise Unusual
        if not is_plain_or_none(slot(meta, META, CAUSATION_ID), LONGEST_CAUSE):
            raise Unusual
        if issued_at is not None:
            issued = issued_at
            if not at - self.oldest_ms <= issued <= at + SKEW:
                raise Unusual
        if expected_version is not None and expected_version != version:
            raise Unusual
        return 0

    cdef bytes frame_of(self, Output out, Asked *asked, Writer writer, event, state, int64_t version):
        """An event with the aggregate after it. What is put into the room here is over with the next event."""
        cdef Span spans[10]
        cdef char digits[DIGITS]
        cdef bytes frame
        cdef Py_ssize_t count = digits_of(version, digits)
        cdef const unsigned char *id_begin
        spans[0] = put_long(&out, version)
        id_begin = out.at
        write_long(&out, PyBytes_GET_SIZE(self.begin_of_id) + asked.bare_name.size + 1 + count)
        write_span(&out, PyBytes_AS_STRING(self.begin_of_id), PyBytes_GET_SIZE(self.begin_of_id))
        write_span(&out, asked.bare_name.begin, asked.bare_name.size)
        write_span(&out, b"/", 1)
        write_span(&out, digits + DIGITS - count, count)
        spans[1] = span_since(&out, id_begin)
        spans[2], spans[3], spans[4], spans[5] = asked.name, asked.when, asked.command_id, asked.where
        spans[6], spans[7], spans[8] = asked.correlation_id, asked.causation_id, asked.actor
        spans[9] = span_of(self.writer)
        frame = writer.write_spans(spans, event, state)
        if PyBytes_GET_SIZE(frame) > LARGEST_EVENT:
            raise Unusual
        return frame

    cdef bytes outcome_of(
        self, Output out, Asked *asked, Kind kind, bytes body_hash, tuple verdict, int64_t version, Py_ssize_t events
    ):
        """How it ended, with so many events."""
        cdef Span spans[15]
        cdef const unsigned char *hash_begin = out.at
        spans[0], spans[1], spans[2] = asked.command_id, asked.when, asked.name
        spans[3], spans[4] = span_of(kind.written_name), asked.where
        write_long(&out, PyBytes_GET_SIZE(body_hash))
        write_span(&out, PyBytes_AS_STRING(body_hash), PyBytes_GET_SIZE(body_hash))
        spans[5] = span_since(&out, hash_begin)
        spans[6], spans[7], spans[8] = span_of(verdict[0]), span_of(verdict[1]), span_of(verdict[2])
        spans[9], spans[10] = put_long(&out, version), put_long(&out, events)
        spans[11], spans[12] = span_of(NOT_REPEATED), asked.actor
        spans[13], spans[14] = asked.correlation_id, asked.causation_id
        return self.write_outcome.write_spans(spans, None, None)


cdef inline object or_none(PyObject *found):
    return None if found == NULL else <object>found


cdef inline int put(list before, dict whole, key, known, value) except -1:
    """As `Memory` does it, where it is known what is there."""
    before.append(whole)
    before.append(key)
    before.append(known)
    whole[key] = value
    return 0


cdef tuple asked_of(Kind kind, bytes frame):
    """A command's meta and body, and what it is compared by with another of its id."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(frame), start
    cdef tuple found
    if size > LARGEST_RECORD:
        raise Unusual
    found = kind.reader.read(frame, PREFIX)
    start = found[1]
    if start > LARGEST_META or found[5] != size:
        raise Unusual
    digest = kind.digest.copy()
    digest.update(PyBytes_FromStringAndSize(PyBytes_AS_STRING(frame) + start, size - start))
    return found[0], found[2], digest.digest()


cdef int ask(Output *out, meta, int64_t offset, int64_t at, Asked *asked, Py_ssize_t more) except -1:
    """Write what is repeated, once, into the room that is there: nothing in it may move afterwards."""
    cdef const unsigned char *actor_begin
    name, actor = slot(meta, META, NAME), slot(meta, META, ACTOR)
    correlation_id, causation_id = slot(meta, META, CORRELATION_ID), slot(meta, META, CAUSATION_ID)
    more += 2 * length_of(name) + length_of(actor) + length_of(correlation_id) + length_of(causation_id)
    if more > ROOM - NUMBERS:
        raise Unusual
    asked.command_id = put_text(out, slot(meta, META, COMMAND_ID))
    asked.name = put_text(out, name)
    asked.bare_name.begin, asked.bare_name.size = PyUnicode_DATA(name), PyUnicode_GET_LENGTH(name)
    asked.when, asked.where = put_long(out, at), put_long(out, offset)
    asked.correlation_id = put_text(out, correlation_id) if correlation_id else asked.command_id
    asked.causation_id = put_text(out, causation_id) if causation_id else asked.command_id
    actor_begin = out.at
    if actor is not None:
        write_long(out, 1)
        write_text(out, actor)
    asked.actor = span_of(NO_ACTOR) if actor is None else span_since(out, actor_begin)
    return 0


cdef Py_ssize_t digits_of(int64_t number, char *digits) noexcept:
    """The decimal digits of a positive number, at the end of the room for them; how many they are."""
    cdef Py_ssize_t place = DIGITS
    while place == DIGITS or number:
        place -= 1
        digits[place] = c"0" + number % 10
        number //= 10
    return DIGITS - place
