# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Columns of many rows as arrays in Postgres's binary form, compiled, of the types that most columns have.

psycopg asks for each value how it is to be written; here that is asked once a column. None stands for a column that is
left to psycopg, which has an answer to everything, if only an error: one with a value that is not of the usual class.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport (
    PyDate_CheckExact, PyDateTime_CheckExact, PyDateTime_DATE_GET_HOUR, PyDateTime_DATE_GET_MICROSECOND,
    PyDateTime_DATE_GET_MINUTE, PyDateTime_DATE_GET_SECOND, PyDateTime_GET_DAY, PyDateTime_GET_MONTH,
    PyDateTime_GET_YEAR, datetime_tzinfo, import_datetime,
)
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject_GetAttr
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_CheckExact
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memchr, memcpy

from datetime import UTC

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

import_datetime()

cdef enum:
    BOOLEAN = 16
    BYTES = 17
    TEXT = 25
    INTEGER = 23
    BIGINT = 20
    DATE = 1082
    TIME = 1184
    MARCH_TO_2000 = 730426
    LONGEST_NUMBER = 12

cdef object utc = UTC
cdef int64_t MICROSECONDS_TO_2000 = 946684800000000


class Unusual(Exception):
    """Left to psycopg; nobody else sees it."""


cdef struct Output:
    unsigned char *begin
    unsigned char *at
    unsigned char *end


cdef inline int need(Output *out, Py_ssize_t size) except -1:
    cdef Py_ssize_t used = out.at - out.begin, whole
    cdef unsigned char *begin
    if out.end - out.at < size:
        whole = 2 * (used + size)
        begin = <unsigned char *>PyMem_Realloc(out.begin, whole)
        if begin == NULL:
            raise MemoryError
        out.begin, out.at, out.end = begin, begin + used, begin + whole
    return 0


cdef inline void put(Output *out, uint64_t number, int size) noexcept:
    """A number of so many bytes, the most significant one first; there is room."""
    while size:
        size -= 1
        out.at[0] = <unsigned char>(number >> (8 * size))
        out.at += 1


cdef inline int put_span(Output *out, const void *begin, Py_ssize_t size) except -1:
    if memchr(begin, 0, size) != NULL:
        raise Unusual  # Postgres takes no NUL in a text
    need(out, size + 4)
    put(out, <uint64_t>size, 4)
    memcpy(out.at, begin, size)
    out.at += size
    return 0


cdef int put_text(Output *out, object value) except -1:
    if not PyUnicode_CheckExact(value):
        raise Unusual
    if PyUnicode_IS_COMPACT_ASCII(value):
        return put_span(out, PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
    encoded = PyUnicode_AsUTF8String(value)
    return put_span(out, PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))


cdef inline int put_number(Output *out, int64_t number, int size) except -1:
    need(out, LONGEST_NUMBER)
    put(out, size, 4)
    put(out, <uint64_t>number, size)
    return 0


cdef int64_t number_of(object value) except? -1:
    cdef int overflow = 0
    if not PyLong_CheckExact(value):
        raise Unusual
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        raise Unusual
    return number


cdef int64_t days_of(object day) noexcept:
    """Days from 2000-01-01 on, by the calendar that Python's dates have."""
    cdef int64_t year = PyDateTime_GET_YEAR(day), month = PyDateTime_GET_MONTH(day)
    # A year that begins in March has its odd day at its end.
    year -= month <= 2
    month += 9 if month <= 2 else -3
    cdef int64_t leap = year // 4 - year // 100 + year // 400
    return 365 * year + leap + (153 * month + 2) // 5 + PyDateTime_GET_DAY(day) - MARCH_TO_2000


cdef int put_time(Output *out, object value) except -1:
    if not PyDateTime_CheckExact(value) or datetime_tzinfo(value) is not utc:
        raise Unusual
    cdef int64_t seconds = (
        days_of(value) * 86400 + PyDateTime_DATE_GET_HOUR(value) * 3600 + PyDateTime_DATE_GET_MINUTE(value) * 60
        + PyDateTime_DATE_GET_SECOND(value)
    )
    return put_number(out, seconds * 1000000 + PyDateTime_DATE_GET_MICROSECOND(value), 8)


cdef int put_value(Output *out, int oid, object value) except -1:
    cdef int64_t number
    if oid == TEXT:
        return put_text(out, value)
    if oid == TIME:
        return put_time(out, value)
    if oid == DATE:
        if not PyDate_CheckExact(value):
            raise Unusual
        return put_number(out, days_of(value), 4)
    number = number_of(value)
    if oid == BIGINT:
        return put_number(out, number, 8)
    if number != <int32_t>number:
        raise Unusual
    return put_number(out, number, 4)


cdef int put_field(Output *out, int oid, object value) except -1:
    """A field of a row that is copied; a time is whole microseconds since 1970."""
    if value is None:
        need(out, 4)
        put(out, <uint64_t>-1, 4)
        return 0
    if oid == TIME:
        return put_number(out, number_of(value) - MICROSECONDS_TO_2000, 8)
    if oid == BYTES:
        if not PyBytes_CheckExact(value):
            raise Unusual
        need(out, PyBytes_GET_SIZE(value) + 4)
        put(out, <uint64_t>PyBytes_GET_SIZE(value), 4)
        memcpy(out.at, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        out.at += PyBytes_GET_SIZE(value)
        return 0
    if oid == BOOLEAN:
        if value is not True and value is not False:
            raise Unusual
        return put_number(out, value is True, 1)
    return put_value(out, oid, value)


def copied(list rows, tuple oids):
    """Rows, which are tuples, as `COPY … (FORMAT binary)` takes them, from signature to trailer."""
    cdef Output out
    cdef Py_ssize_t width = len(oids)
    out.begin = out.at = <unsigned char *>PyMem_Malloc(64 + 512 * len(rows))
    if out.begin == NULL:
        raise MemoryError
    out.end = out.begin + 64 + 512 * len(rows)
    try:
        memcpy(out.at, b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19)
        out.at += 19
        for row in rows:
            if len(row) != width:
                raise Unusual
            need(&out, 2)
            put(&out, <uint64_t>width, 2)
            for value, oid in zip(row, oids):
                put_field(&out, oid, value)
        need(&out, 2)
        put(&out, <uint64_t>-1, 2)
        return PyBytes_FromStringAndSize(<const char *>out.begin, out.at - out.begin)
    except Exception:
        return None
    finally:
        PyMem_Free(out.begin)


def packed(list rows, what, int oid):
    """The array of one column of the rows: `what` is an attribute's name, or a place in tuples; `oid` its type's id."""
    cdef Output out
    cdef bint has_null = False
    cdef Py_ssize_t place = 0 if isinstance(what, str) else what
    cdef bint is_named = isinstance(what, str)
    out.begin = out.at = <unsigned char *>PyMem_Malloc(20 + 16 * len(rows))
    if out.begin == NULL:
        raise MemoryError
    out.end = out.begin + 20 + 16 * len(rows)
    try:
        out.at += 20
        for row in rows:
            value = PyObject_GetAttr(row, what) if is_named else row[place]
            if value is None:
                has_null = True
                need(&out, 4)
                put(&out, <uint64_t>-1, 4)
            else:
                put_value(&out, oid, value)
        size = out.at - out.begin
        out.at = out.begin
        for number in (1, has_null, oid, len(rows), 1):
            put(&out, <uint64_t>number, 4)
        return PyBytes_FromStringAndSize(<const char *>out.begin, size)
    except Exception:
        return None
    finally:
        PyMem_Free(out.begin)
