"""What other compiled modules use of this one: how bytes are put together, and what reads and writes records."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    ROOM = 1024
    LONGEST_NUMBER = 10

cdef struct Span:
    const void *begin
    Py_ssize_t size


cdef inline Span span_of(bytes whole) noexcept:
    cdef Span span
    span.begin, span.size = PyBytes_AS_STRING(whole), PyBytes_GET_SIZE(whole)
    return span


cdef struct Output:
    unsigned char *begin
    unsigned char *at
    unsigned char *end
    bint is_moved  # off the stack, where it began


cdef int64_t long_at(bytes frame, Py_ssize_t place) except? -1
cdef int make_room(Output *out, Py_ssize_t size) except -1


cdef inline void begin(Output *out, unsigned char *room) noexcept:
    out.begin, out.at, out.end, out.is_moved = room, room, room + ROOM, False


cdef inline int need(Output *out, Py_ssize_t size) except -1:
    return make_room(out, size) if out.end - out.at < size else 0


cdef inline int write_long(Output *out, int64_t value) except -1:
    cdef uint64_t number = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    need(out, LONGEST_NUMBER)
    while number >= 0x80:
        out.at[0] = <unsigned char>(number & 0x7F | 0x80)
        out.at += 1
        number >>= 7
    out.at[0] = <unsigned char>number
    out.at += 1
    return 0


cdef inline int write_span(Output *out, const void *begin, Py_ssize_t size) except -1:
    need(out, size)
    memcpy(out.at, begin, size)
    out.at += size
    return 0


cdef class Places:
    cdef Py_ssize_t *at


cdef Places slots_of(cls, attributes)


cdef class Reader:
    cdef tuple nodes
    cdef object plain

    cpdef object read(self, object frame, Py_ssize_t place)
    cdef object one_of(self, Py_ssize_t number, bytes frame, Py_ssize_t place)
    cpdef object last_of(self, bytes frame, Py_ssize_t place, Py_ssize_t longest)
    cpdef tuple first_of(self, bytes frame, Py_ssize_t place)


cdef class Writer:
    cdef bytes prefix
    cdef tuple nodes
    cdef Places arguments
    cdef Py_ssize_t count, ready
    cdef object plain

    cdef bytes write_spans(self, const Span *spans, object body, object state)
