# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""Reads a command's meta where it lies; whatever is not written as we write it is left to Python."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t

from headrace.avro.compiled cimport long_at, Span

from headrace.avro.codec import PREFIX_LENGTH
from headrace.avro.compiled import Unusual

cdef enum:
    UUID_LENGTH = 36
    # The first byte of what may be null.
    GIVEN = 2

cdef Py_ssize_t PREFIX = PREFIX_LENGTH


cdef Py_ssize_t read_meta(bytes frame, Asked *asked) except -1:
    """A command's meta, as `shortcut.META` says that it is laid out; returns the place behind it."""
    cdef const unsigned char *begin = <const unsigned char *>PyBytes_AS_STRING(frame)
    cdef const unsigned char *end = begin + PyBytes_GET_SIZE(frame)
    cdef const unsigned char *at = begin + PREFIX
    at = take_text(at, end, &asked.command_id)
    at = take_text(at, end, &asked.name)
    at = take_number(at, end, frame, &asked.expects, &asked.expected_version)
    at = take_number(at, end, frame, &asked.is_dated, &asked.issued_at)
    at = take_text_or_null(at, end, &asked.actor)
    # Of the only one whose records may say that it is null, they repeat that too.
    asked.actor.written.begin = <const unsigned char *>asked.actor.written.begin - 1
    asked.actor.written.size += 1
    at = take_text_or_null(at, end, &asked.correlation_id)
    at = take_text_or_null(at, end, &asked.causation_id)
    return at - begin


cdef inline const unsigned char *take_text(
    const unsigned char *at, const unsigned char *end, Text *text
) except NULL:
    """A text whose length is written as we write it, since records repeat it; returns what is behind it."""
    cdef Py_ssize_t twice
    cdef const unsigned char *begin = at + 1
    if end - at < 2:
        raise Unusual
    twice = at[0]
    if at[0] >= 0x80:
        if not 0 < at[1] < 0x80:
            raise Unusual
        twice += (at[1] - 1) << 7
        begin += 1
    if twice & 1 or twice // 2 > end - begin:
        raise Unusual
    text.bare.begin, text.bare.size = begin, twice // 2
    text.written.begin, text.written.size = at, begin + twice // 2 - at
    return begin + twice // 2


cdef inline const unsigned char *take_text_or_null(
    const unsigned char *at, const unsigned char *end, Text *text
) except NULL:
    if not is_given(at, end):
        text.bare.begin, text.bare.size = at + 1, 0
        text.written.begin, text.written.size = at + 1, 0
        return at + 1
    return take_text(at + 1, end, text)


cdef inline const unsigned char *take_number(
    const unsigned char *at, const unsigned char *end, bytes frame, bint *given, int64_t *number
) except NULL:
    """A number or null."""
    given[0] = is_given(at, end)
    if given[0]:
        at += 1
        number[0] = long_at(frame, at - <const unsigned char *>PyBytes_AS_STRING(frame))
        while at[0] >= 0x80:  # it ends within the frame, or could not have been read
            at += 1
    return at + 1


cdef inline bint is_given(const unsigned char *at, const unsigned char *end) except -1:
    """Whether what may be null is not."""
    if at == end or at[0] != 0 and at[0] != GIVEN:
        raise Unusual
    return at[0] == GIVEN


cdef bint is_plain(const Span *text, Py_ssize_t longest) noexcept:
    """Whether a text is short enough, and has neither a NUL nor what takes more than a byte."""
    cdef const unsigned char *at = <const unsigned char *>text.begin
    cdef Py_ssize_t place
    for place in range(text.size):
        if not 0 < at[place] < 0x80:
            return False
    return text.size <= longest


cdef bint is_uuid(const Span *text) noexcept:
    cdef const unsigned char *at = <const unsigned char *>text.begin
    cdef Py_ssize_t place
    if text.size != UUID_LENGTH:
        return False
    for place in range(UUID_LENGTH):
        if place == 8 or place == 13 or place == 18 or place == 23:
            if at[place] != c"-":
                return False
        elif not (c"0" <= at[place] <= c"9" or c"a" <= (at[place] | 32) <= c"f"):
            return False
    return True
