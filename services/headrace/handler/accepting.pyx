# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""How a command is answered that is simply accepted, or refused by the domain, compiled: most are.

None stands for every other answer, with nothing changed: a command that is known or out of date, a record that is none,
code that breaks. Those are given by `Partition` in Python, from their beginning; since a decider is a pure function, it
does not matter that it may be asked twice. So what is refused, and why, is said there alone: what is looked at here may
be stricter than that, and never less strict.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp

from headrace.avro.compiled cimport (
    begin, long_at, Output, Places, Reader, ROOM, slots_of, Span, span_of, write_long, write_span, Writer,
)
from headrace.handler.asked cimport Asked, cause_of, is_plain, is_uuid, read_meta
from headrace.handler.outcomes cimport hash_of, Outcomes

from headrace.avro.codec import MAX_META_BYTES, MAX_RECORD_BYTES, PREFIX_LENGTH
from headrace.avro.compiled import Unusual
from headrace.handler.admission import MAX_CAUSATION_LENGTH, MAX_ID_LENGTH
from headrace.handler.memory import Versioned
from headrace.handler.replies import ACCEPTANCE, FALSE, MAX_EVENT_BYTES, Answer
from headrace.handler.window import SKEW_MS
from headrace.kernel.errors import Rejected

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object mapping, object key) except? NULL

cdef enum:
    DIGITS = 20
    # What is written beside texts that may be long: a hash, numbers, the lengths of texts.
    NUMBERS = 250
    BODY = 1  # of a command, by place among its parts
    # The places in VERSIONED.
    VERSION = 0
    STATE = 1

cdef Py_ssize_t PREFIX = PREFIX_LENGTH
cdef Py_ssize_t LARGEST_RECORD = MAX_RECORD_BYTES
cdef Py_ssize_t LARGEST_META = MAX_META_BYTES
cdef Py_ssize_t LARGEST_EVENT = MAX_EVENT_BYTES
cdef Py_ssize_t LONGEST_ID = MAX_ID_LENGTH
cdef Py_ssize_t LONGEST_CAUSE = MAX_CAUSATION_LENGTH
cdef int64_t SKEW = SKEW_MS
cdef int64_t MOST_EVENTS = 2**62  # of one aggregate, so that counting on needs no more than 64 bits
cdef tuple ACCEPTED = ACCEPTANCE
cdef bytes NOT_REPEATED = FALSE

cdef object answer_of = Answer
cdef object versioned = Versioned
cdef object rejected = Rejected
cdef Places VERSIONED = slots_of(Versioned, ("version", "state"))


cdef inline object slot(object whole, Places places, Py_ssize_t number):
    return <object>(<PyObject **>(<char *><PyObject *>whole + places.at[number]))[0]


cdef inline Span span_since(Output *out, const unsigned char *begin):
    cdef Span span
    span.begin, span.size = begin, out.at - begin
    return span


cdef inline Span put_long(Output *out, int64_t number) except *:
    cdef const unsigned char *begin = out.at
    write_long(out, number)
    return span_since(out, begin)


cdef inline object text_of(const Span *bare):
    return PyUnicode_DecodeASCII(<const char *>bare.begin, bare.size, NULL)


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
        cdef Outcomes younger, older
        cdef uint32_t hash
        cdef bytes body_hash
        cdef tuple verdict = ACCEPTED
        cdef int64_t version = 0
        cdef Py_ssize_t start
        begin(&out, room)
        try:
            kind = self.kind_of(value)
            start = read_meta(value, &asked)
            younger, older = self.generations
            hash = hash_of(&asked.command_id.bare)
            if younger.knows(&asked.command_id.bare, hash) or older.knows(&asked.command_id.bare, hash):
                return None
            name = text_of(&asked.name.bare)
            known, told = or_none(PyDict_GetItemWithError(self.aggregates, name)), kind.told
            state = self.state_of(known, &version)
            self.admit(key, name, &asked, version, at)
            body, body_hash = body_of(kind, value, start)
            asked.when, asked.where = put_long(&out, at), put_long(&out, offset)
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
            note(self.before, self.aggregates, name, known)
            self.aggregates[name] = (<tuple>frames[len(frames) - 1])[1]
        note(self.before, younger, text_of(&asked.command_id.bare), None)
        younger.put(&asked.command_id.bare, hash, outcome)
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
        if not PyBytes_CheckExact(value):
            raise Unusual
        return self.kinds[prefix_of(value)]

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
        version[0] = long_at(frame, PREFIX)
        if not 0 < version[0] < MOST_EVENTS:
            raise Unusual
        reader = PyDict_GetItemWithError(self.readers, prefix_of(frame))
        if reader == NULL:
            return self.decode(frame).state
        return (<Reader>reader).last_of(frame, PREFIX, LARGEST_META)

    cdef int admit(self, key, name, const Asked *asked, int64_t version, int64_t at) except -1:
        """Go on with what admission lets pass, and with no more than that."""
        cdef const Span *bare = &asked.name.bare
        if not is_plain(bare, LONGEST_ID) or not PyBytes_CheckExact(key) or PyBytes_GET_SIZE(key) != bare.size:
            raise Unusual
        if memcmp(PyBytes_AS_STRING(key), bare.begin, bare.size) != 0:
            raise Unusual
        if version == 0:
            self.refuse_bad_key(key, name)
        if not is_uuid(&asked.command_id.bare) or not is_plain(&asked.actor.bare, LONGEST_ID):
            raise Unusual
        if not is_plain(&asked.correlation_id.bare, LONGEST_ID):
            raise Unusual
        if not is_plain(&asked.causation_id.bare, LONGEST_CAUSE):
            raise Unusual
        if asked.is_dated and not at - self.oldest_ms <= asked.issued_at <= at + SKEW:
            raise Unusual
        if asked.expects and asked.expected_version != version:
            raise Unusual
        return 0

    cdef bytes frame_of(self, Output out, Asked *asked, Writer writer, event, state, int64_t version):
        """An event with the aggregate after it. What is put into the room here is over with the next event."""
        cdef Span spans[10]
        cdef char digits[DIGITS]
        cdef bytes frame
        cdef Py_ssize_t count = digits_of(version, digits)
        cdef const unsigned char *id_begin
        cdef const Span *name = &asked.name.bare
        if PyBytes_GET_SIZE(self.begin_of_id) + name.size > ROOM - NUMBERS:
            raise Unusual  # no span that is put may move
        spans[0] = put_long(&out, version)
        id_begin = out.at
        write_long(&out, PyBytes_GET_SIZE(self.begin_of_id) + name.size + 1 + count)
        write_span(&out, PyBytes_AS_STRING(self.begin_of_id), PyBytes_GET_SIZE(self.begin_of_id))
        write_span(&out, name.begin, name.size)
        write_span(&out, b"/", 1)
        write_span(&out, digits + DIGITS - count, count)
        spans[1] = span_since(&out, id_begin)
        spans[2], spans[3], spans[4] = asked.name.written, asked.when, asked.command_id.written
        spans[5], spans[8], spans[9] = asked.where, asked.actor.written, span_of(self.writer)
        spans[6], spans[7] = cause_of(asked, &asked.correlation_id), cause_of(asked, &asked.causation_id)
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
        spans[0], spans[1], spans[2] = asked.command_id.written, asked.when, asked.name.written
        spans[3], spans[4] = span_of(kind.written_name), asked.where
        write_long(&out, PyBytes_GET_SIZE(body_hash))
        write_span(&out, PyBytes_AS_STRING(body_hash), PyBytes_GET_SIZE(body_hash))
        spans[5] = span_since(&out, hash_begin)
        spans[6], spans[7], spans[8] = span_of(verdict[0]), span_of(verdict[1]), span_of(verdict[2])
        spans[9], spans[10] = put_long(&out, version), put_long(&out, events)
        spans[11], spans[12] = span_of(NOT_REPEATED), asked.actor.written
        spans[13], spans[14] = cause_of(asked, &asked.correlation_id), cause_of(asked, &asked.causation_id)
        return self.write_outcome.write_spans(spans, None, None)


cdef inline bytes prefix_of(bytes frame):
    """What a record begins with, which is neither shorter nor longer than `Codec.decode` takes it."""
    if not PREFIX <= PyBytes_GET_SIZE(frame) <= LARGEST_RECORD:
        raise Unusual
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(frame), PREFIX)


cdef inline object or_none(PyObject *found):
    return None if found == NULL else <object>found


cdef inline int note(list before, whole, key, known) except -1:
    """What is there before a change, as `Memory` notes it."""
    before.append(whole)
    before.append(key)
    before.append(known)
    return 0


cdef tuple body_of(Kind kind, bytes frame, Py_ssize_t start):
    """A command's body, and what it is compared by with another of its id."""
    body = kind.reader.one_of(BODY, frame, start)
    digest = kind.digest.copy()
    digest.update(PyBytes_FromStringAndSize(PyBytes_AS_STRING(frame) + start, PyBytes_GET_SIZE(frame) - start))
    return body, digest.digest()


cdef Py_ssize_t digits_of(int64_t number, char *digits) noexcept:
    """The decimal digits of a positive number, at the end of the room for them; how many they are."""
    cdef Py_ssize_t place = DIGITS
    while place == DIGITS or number:
        place -= 1
        digits[place] = c"0" + number % 10
        number //= 10
    return DIGITS - place
