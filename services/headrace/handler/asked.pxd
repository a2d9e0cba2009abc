"""What a command's meta says, read where it lies in the command: the records of the answer repeat most of it."""

from libc.stdint cimport int64_t

from headrace.avro.compiled cimport Span


cdef struct Text:
    Span written  # with its length, as records repeat it
    Span bare


cdef struct Asked:
    # What a command's meta says, where it lies in the command; what is null has no bytes at all.
    Text command_id
    Text name
    bint expects
    int64_t expected_version
    bint is_dated
    int64_t issued_at
    Text actor
    Text correlation_id
    Text causation_id
    # What is said of it besides, as it is written: its time and its offset.
    Span when
    Span where


cdef Py_ssize_t read_meta(bytes frame, Asked *asked) except -1
cdef bint is_plain(const Span *text, Py_ssize_t longest) noexcept
cdef bint is_uuid(const Span *text) noexcept


cdef inline Span cause_of(const Asked *asked, const Text *text) noexcept:
    """What is given, or else the command itself."""
    return text.written if text.bare.size else asked.command_id.written
