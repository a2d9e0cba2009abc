# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""What straight-line code does, compiled: a record is read and written by a tree that has a node for each shape.

Only what is common is done here. Bytes that are no such record, numbers that are too large, values of another class than
the usual one: all that is left to the straight-line function of the same shape, from its beginning. It refuses them or
takes them, so there is one place that says what is an error, and which.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport import_datetime, PyDate_CheckExact
from cpython.dict cimport PyDict_CheckExact
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject, PyObject_GetAttr
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from datetime import date
from inspect import getattr_static
from types import MemberDescriptorType

import msgspec

from headrace.avro.straight import shape as shapes
from headrace.avro.straight import to_bytes
from headrace.avro.straight.from_bytes import EPOCH

cdef extern from "Python.h":
    ctypedef struct PyTupleObject:
        PyObject *ob_item[1]
    object PyObject_Vectorcall(object called, PyObject **arguments, size_t positional, PyObject *names)
    PyObject *PyDict_GetItemWithError(object mapping, object key) except? NULL
    double PyFloat_Unpack4(const char *b, int is_little) except? -1.0
    double PyFloat_Unpack8(const char *b, int is_little) except? -1.0
    int PyFloat_Pack4(double value, char *b, int is_little) except -1
    int PyFloat_Pack8(double value, char *b, int is_little) except -1
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        int type
        Py_ssize_t offset
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member
    int T_OBJECT_EX

import_datetime()

cdef enum:
    SHORT = 32  # less than a UUID has
    LONG = 64
    PLACES_BITS = 10
    PLACES = 1024

cdef uint64_t MIXED = 0x9E3779B97F4A7C15

cdef object EPOCH_DAY = EPOCH
cdef object convert = msgspec.convert
cdef object day_of = date.fromordinal


class Unusual(Exception):
    """Left to Python, which is straight-line code here; nobody else sees it."""


cdef struct Input:
    const unsigned char *at
    const unsigned char *end


cdef inline Input input_from(object frame, Py_ssize_t place) noexcept:
    """What a frame of bytes has from a place on."""
    cdef Input given
    given.at = <const unsigned char *>PyBytes_AS_STRING(frame) + place
    given.end = given.at + PyBytes_GET_SIZE(frame) - place
    return given


cdef inline int64_t read_long(Input *given) except? -1:
    cdef uint64_t number = 0
    cdef unsigned int shift = 0
    cdef unsigned char byte
    while given.at < given.end:
        byte = given.at[0]
        given.at += 1
        if shift == 63 and byte > 1:
            break
        number |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            return <int64_t>(number >> 1) ^ -<int64_t>(number & 1)
        shift += 7
    raise Unusual


cdef inline int64_t read_count(Input *given) except? -1:
    """How many items a block has; what takes no bytes is refused elsewhere, so no more than there are bytes left."""
    cdef int64_t count = read_long(given)
    if count < 0 or count > given.end - given.at:
        raise Unusual
    return count


cdef int64_t long_at(bytes frame, Py_ssize_t place) except? -1:
    """The number at a place."""
    cdef Input given = input_from(frame, place)
    return read_long(&given)


cdef inline const char *read_span(Input *given, Py_ssize_t *size) except NULL:
    cdef int64_t length = read_long(given)
    cdef const char *begin = <const char *>given.at
    if length < 0 or length > given.end - given.at:
        raise Unusual
    given.at += length
    size[0] = <Py_ssize_t>length
    return begin


cdef PyObject *lately[PLACES]
"""Short texts that were read lately, each at its place: currencies, names, codes come again and again, and one that is
shared is neither made anew nor another place in memory for each aggregate that holds it."""
cdef PyObject *last
"""The longer text that was read last: an event names its command up to three times."""


cdef inline object read_text(Input *given):
    cdef Py_ssize_t size = 0
    cdef const char *begin = read_span(given, &size)
    if size == 0 or size > LONG:
        return PyUnicode_DecodeUTF8(begin, size, NULL)
    cdef PyObject **place = &lately[place_of(begin, size)] if size <= SHORT else &last
    if place[0] != NULL and PyUnicode_GET_LENGTH(<object>place[0]) == size:
        if memcmp(PyUnicode_DATA(<object>place[0]), begin, size) == 0:
            return <object>place[0]
    text = PyUnicode_DecodeUTF8(begin, size, NULL)
    if PyUnicode_IS_COMPACT_ASCII(text):
        Py_XDECREF(place[0])
        Py_INCREF(text)
        place[0] = <PyObject *>text
    return text


cdef inline size_t place_of(const char *begin, Py_ssize_t size) noexcept:
    """By its length, its first eight bytes and its last eight: of two that have all of them the later one stays."""
    cdef uint64_t first = 0, last = 0
    if size >= 8:
        memcpy(&first, begin, 8)
        memcpy(&last, begin + size - 8, 8)
    else:
        memcpy(&first, begin, size)
    return ((first ^ (last * MIXED) ^ <uint64_t>size) * MIXED) >> (64 - PLACES_BITS)


cdef inline object end(Output *out):
    """What is written; to be called once, whatever it is called after."""
    try:
        return PyBytes_FromStringAndSize(<const char *>out.begin, out.at - out.begin)
    finally:
        if out.is_moved:
            PyMem_Free(out.begin)


cdef int make_room(Output *out, Py_ssize_t size) except -1:
    cdef Py_ssize_t used = out.at - out.begin
    cdef Py_ssize_t whole = 2 * (used + size)
    cdef unsigned char *begin
    if out.is_moved:
        begin = <unsigned char *>PyMem_Realloc(out.begin, whole)
    else:
        begin = <unsigned char *>PyMem_Malloc(whole)
    if begin == NULL:
        raise MemoryError
    if not out.is_moved:
        memcpy(begin, out.begin, used)
    out.begin, out.at, out.end, out.is_moved = begin, begin + used, begin + whole, True
    return 0


cdef inline int write_bytes(Output *out, object value) except -1:
    """As they are, without their length."""
    if not PyBytes_CheckExact(value):
        raise Unusual
    return write_span(out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))


cdef int write_text(Output *out, object value) except -1:
    if not PyUnicode_CheckExact(value):
        raise Unusual
    if PyUnicode_IS_COMPACT_ASCII(value):
        write_long(out, PyUnicode_GET_LENGTH(value))
        return write_span(out, PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
    encoded = PyUnicode_AsUTF8String(value)
    write_long(out, PyBytes_GET_SIZE(encoded))
    return write_bytes(out, encoded)


cdef inline int64_t long_of(object value) except? -1:
    cdef int overflow = 0
    if not PyLong_CheckExact(value):
        raise Unusual
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        raise Unusual
    return number


cdef class Node:
    """A shape: what it is on the wire and what it becomes."""

    cdef object read(self, Input *given):
        raise Unusual

    cdef int skip(self, Input *given) except -1:
        """Go on behind it, and let nothing pass that `read` would not."""
        self.read(given)
        return 0

    cdef int write(self, Output *out, object value) except -1:
        raise Unusual

    cdef int fits(self, object value) except -1:
        """Whether a value is this branch's of a union; as `OF_TYPE` of straight-line code says it."""
        raise Unusual


cdef class Null(Node):
    cdef object read(self, Input *given):
        return None

    cdef int write(self, Output *out, object value) except -1:
        if value is not None:
            raise Unusual
        return 0

    cdef int fits(self, object value) except -1:
        return value is None


cdef class Boolean(Node):
    cdef object read(self, Input *given):
        if given.at == given.end or given.at[0] > 1:
            raise Unusual
        given.at += 1
        return (given.at - 1)[0] == 1

    cdef int write(self, Output *out, object value) except -1:
        if value is not True and value is not False:
            raise Unusual
        need(out, 1)
        out.at[0] = value is True
        out.at += 1
        return 0

    cdef int fits(self, object value) except -1:
        return value is True or value is False


cdef class Long(Node):
    cdef object read(self, Input *given):
        return read_long(given)

    cdef int write(self, Output *out, object value) except -1:
        return write_long(out, long_of(value))

    cdef int fits(self, object value) except -1:
        return PyLong_CheckExact(value)


cdef class Int(Node):
    cdef object read(self, Input *given):
        cdef int64_t number = read_long(given)
        if number != <int>number:
            raise Unusual
        return number

    cdef int write(self, Output *out, object value) except -1:
        cdef int64_t number = long_of(value)
        if number != <int>number:
            raise Unusual
        return write_long(out, number)

    cdef int fits(self, object value) except -1:
        return PyLong_CheckExact(value) and -2**31 <= value < 2**31


cdef class Date(Node):
    """The day that was read last and the one that was written last are kept: most records are of one day."""

    cdef int64_t number_read, number_written
    cdef object day_read, day_written

    cdef object read(self, Input *given):
        cdef int64_t number = read_long(given)
        if self.day_read is None or number != self.number_read:
            self.day_read = day_of(number + EPOCH_DAY)
            self.number_read = number
        return self.day_read

    cdef int write(self, Output *out, object value) except -1:
        if self.day_written is None or value is not self.day_written:
            if not PyDate_CheckExact(value):
                raise Unusual
            self.number_written = value.toordinal() - EPOCH_DAY
            self.day_written = value
        return write_long(out, self.number_written)

    cdef int fits(self, object value) except -1:
        return isinstance(value, date)


cdef class Float(Node):
    cdef object read(self, Input *given):
        if given.end - given.at < 4:
            raise Unusual
        given.at += 4
        return PyFloat_Unpack4(<const char *>given.at - 4, 1)

    cdef int write(self, Output *out, object value) except -1:
        if type(value) is not float:
            raise Unusual
        need(out, 4)
        PyFloat_Pack4(value, <char *>out.at, 1)
        out.at += 4
        return 0

    cdef int fits(self, object value) except -1:
        return type(value) is float


cdef class Double(Node):
    cdef object read(self, Input *given):
        if given.end - given.at < 8:
            raise Unusual
        given.at += 8
        return PyFloat_Unpack8(<const char *>given.at - 8, 1)

    cdef int write(self, Output *out, object value) except -1:
        if type(value) is not float:
            raise Unusual
        need(out, 8)
        PyFloat_Pack8(value, <char *>out.at, 1)
        out.at += 8
        return 0

    cdef int fits(self, object value) except -1:
        return type(value) is float


cdef class Text(Node):
    cdef object read(self, Input *given):
        return read_text(given)

    cdef int skip(self, Input *given) except -1:
        cdef Py_ssize_t size = 0, place
        cdef const unsigned char *begin = <const unsigned char *>read_span(given, &size)
        cdef unsigned char seen = 0
        for place in range(size):
            seen |= begin[place]
        if seen >= 0x80:
            raise Unusual  # more than ASCII, which may be no text
        return 0

    cdef int write(self, Output *out, object value) except -1:
        return write_text(out, value)

    cdef int fits(self, object value) except -1:
        return isinstance(value, str)


cdef class Bytes(Node):
    cdef object read(self, Input *given):
        cdef Py_ssize_t size = 0
        cdef const char *begin = read_span(given, &size)
        return PyBytes_FromStringAndSize(begin, size)

    cdef int skip(self, Input *given) except -1:
        cdef Py_ssize_t size = 0
        read_span(given, &size)
        return 0

    cdef int write(self, Output *out, object value) except -1:
        if not PyBytes_CheckExact(value):
            raise Unusual
        write_long(out, PyBytes_GET_SIZE(value))
        return write_bytes(out, value)

    cdef int fits(self, object value) except -1:
        return PyBytes_CheckExact(value)


cdef class Fixed(Node):
    cdef Py_ssize_t size

    def __init__(self, shape):
        self.size = shape.size

    cdef object read(self, Input *given):
        if given.end - given.at < self.size:
            raise Unusual
        given.at += self.size
        return PyBytes_FromStringAndSize(<const char *>given.at - self.size, self.size)

    cdef int write(self, Output *out, object value) except -1:
        if not self.fits(value):
            raise Unusual
        return write_bytes(out, value)

    cdef int fits(self, object value) except -1:
        return PyBytes_CheckExact(value) and PyBytes_GET_SIZE(value) == self.size


cdef class Choice(Node):
    """By what stands for it on the wire, or of an enum by its place among the symbols; and the other way round."""

    cdef str kind
    cdef dict values
    cdef tuple symbols
    cdef dict written

    def __init__(self, shape):
        self.kind = shape.kind
        self.symbols = tuple([shape.values.get(symbol) for symbol in shape.symbols])
        as_bytes = shape.kind == "string"
        self.values = {key.encode() if as_bytes else key: value for key, value in shape.values.items()}
        self.written = dict(to_bytes.values_of(shape))

    cdef object read(self, Input *given):
        cdef int64_t number
        cdef Py_ssize_t size = 0
        cdef const char *begin
        if self.kind == "string":
            begin = read_span(given, &size)
            found = self.values.get(PyBytes_FromStringAndSize(begin, size))
        else:
            number = read_long(given)
            if self.kind != "enum":
                found = self.values.get(number)
            elif 0 <= number < PyTuple_GET_SIZE(self.symbols):
                found = self.symbols[number]
            else:
                found = None
        if found is None:
            raise Unusual
        return found

    cdef int write(self, Output *out, object value) except -1:
        cdef PyObject *found = PyDict_GetItemWithError(self.written, value)
        if found == NULL:
            raise Unusual
        return write_bytes(out, <object>found)

    cdef int fits(self, object value) except -1:
        return to_bytes.among(value, self.written)


cdef class Places:
    """Small numbers, each at its number."""

    def __cinit__(self, numbers):
        self.at = <Py_ssize_t *>PyMem_Malloc((len(numbers) + 1) * sizeof(Py_ssize_t))
        if self.at == NULL:
            raise MemoryError
        for place, number in enumerate(numbers):
            self.at[<Py_ssize_t>place] = number

    def __dealloc__(self):
        PyMem_Free(self.at)


cdef Places slots_of(cls, attributes):
    """Where in an object of that class each attribute's value lies; None unless all are plain slots, as a Struct's."""
    found = []
    for name in attributes:
        slot = getattr_static(cls, name, None)
        if type(slot) is not MemberDescriptorType or (<PyMemberDescrObject *>slot).d_member.type != T_OBJECT_EX:
            return None
        found.append((<PyMemberDescrObject *>slot).d_member.offset)
    return Places(found)


cdef class Record(Node):
    """A Struct; `places` says where among its class's arguments each member goes, `names` which of them by name."""

    cdef object cls
    cdef tuple members, attributes, names
    cdef Places places, slots
    cdef size_t positional
    cdef bint has_rules

    def __init__(self, shape):
        called = [name for name, _ in shape.call]
        self.cls = shape.cls
        self.members = tuple([node_of(member.shape) for member in shape.members])
        self.attributes = tuple([member.attribute for member in shape.members])
        self.places = Places([called.index(name) for name in self.attributes])
        self.slots = slots_of(self.cls, self.attributes)
        self.names = tuple([name for name, by_name in shape.call if by_name]) or None
        self.positional = len([name for name, by_name in shape.call if not by_name])
        self.has_rules = hasattr(self.cls, "__post_init__")

    cdef object read(self, Input *given):
        cdef Py_ssize_t count = PyTuple_GET_SIZE(self.members), number
        cdef tuple arguments = PyTuple_New(count)
        cdef object value  # an object, since the tuple takes over a reference to it
        for number in range(count):
            value = (<Node>PyTuple_GET_ITEM(self.members, number)).read(given)
            Py_INCREF(value)
            PyTuple_SET_ITEM(arguments, self.places.at[number], value)
        return PyObject_Vectorcall(
            self.cls,
            &(<PyTupleObject *>arguments).ob_item[0],
            self.positional,
            NULL if self.names is None else <PyObject *>self.names,
        )

    cdef int skip(self, Input *given) except -1:
        cdef Py_ssize_t number
        if self.has_rules:
            self.read(given)
            return 0
        for number in range(PyTuple_GET_SIZE(self.members)):
            (<Node>PyTuple_GET_ITEM(self.members, number)).skip(given)
        return 0

    cdef int write(self, Output *out, object value) except -1:
        cdef Py_ssize_t count = PyTuple_GET_SIZE(self.members), number
        cdef PyObject *slot
        cdef bint is_own = type(value) is self.cls
        if count == 0 and not is_own:
            raise Unusual
        for number in range(count):
            if is_own and self.slots is not None:
                slot = (<PyObject **>(<char *><PyObject *>value + self.slots.at[number]))[0]
                if slot == NULL:
                    raise Unusual
                each = <object>slot
            else:
                each = PyObject_GetAttr(value, <object>PyTuple_GET_ITEM(self.attributes, number))
            (<Node>PyTuple_GET_ITEM(self.members, number)).write(out, each)
        return 0

    cdef int fits(self, object value) except -1:
        return type(value) is self.cls


cdef class Items(Node):
    cdef Node item
    cdef bint is_tuple

    def __init__(self, shape):
        self.item = node_of(shape.item)
        self.is_tuple = shape.is_tuple

    cdef object read(self, Input *given):
        cdef list found = []
        cdef int64_t count = read_count(given)
        while count:
            while count:
                found.append(self.item.read(given))
                count -= 1
            count = read_count(given)
        return tuple(found) if self.is_tuple else found

    cdef int skip(self, Input *given) except -1:
        cdef int64_t count = read_count(given)
        while count:
            while count:
                self.item.skip(given)
                count -= 1
            count = read_count(given)
        return 0

    cdef int write(self, Output *out, object value) except -1:
        if not PyList_CheckExact(value) and not PyTuple_CheckExact(value):
            raise Unusual
        if value:
            write_long(out, len(value))
            for each in value:
                self.item.write(out, each)
        return write_long(out, 0)

    cdef int fits(self, object value) except -1:
        return isinstance(value, (list, tuple))


cdef class Pairs(Node):
    cdef Node value

    def __init__(self, shape):
        self.value = node_of(shape.value)

    cdef object read(self, Input *given):
        cdef dict found = {}
        cdef int64_t count = read_count(given)
        while count:
            while count:
                key = read_text(given)
                found[key] = self.value.read(given)
                count -= 1
            count = read_count(given)
        return found

    cdef int write(self, Output *out, object value) except -1:
        if not PyDict_CheckExact(value):
            raise Unusual
        if value:
            write_long(out, len(value))
            for key, each in (<dict>value).items():
                write_text(out, key)
                self.value.write(out, each)
        return write_long(out, 0)

    cdef int fits(self, object value) except -1:
        return isinstance(value, dict)


cdef class Union(Node):
    """Null is asked for first; of two branches the other one has all that is not None."""

    cdef tuple branches
    cdef int64_t null
    cdef bint is_nullable

    def __init__(self, shape):
        self.branches = tuple([node_of(branch) for branch in shape.branches])
        self.null = -1
        for place, node in enumerate(self.branches):
            if isinstance(node, Null):
                self.null = place
        self.is_nullable = self.null >= 0 and len(self.branches) == 2

    cdef object read(self, Input *given):
        return self.branch(given).read(given)

    cdef int skip(self, Input *given) except -1:
        return self.branch(given).skip(given)

    cdef Node branch(self, Input *given):
        cdef int64_t index = read_long(given)
        if index < 0 or index >= PyTuple_GET_SIZE(self.branches):
            raise Unusual
        return <Node>PyTuple_GET_ITEM(self.branches, <Py_ssize_t>index)

    cdef int write(self, Output *out, object value) except -1:
        cdef int64_t index
        if value is None and self.null >= 0:
            return write_long(out, self.null)
        if self.is_nullable:
            return self.write_branch(out, 1 - self.null, value)
        for index in range(PyTuple_GET_SIZE(self.branches)):
            if (<Node>PyTuple_GET_ITEM(self.branches, <Py_ssize_t>index)).fits(value):
                return self.write_branch(out, index, value)
        raise Unusual

    cdef int write_branch(self, Output *out, int64_t index, object value) except -1:
        write_long(out, index)
        return (<Node>PyTuple_GET_ITEM(self.branches, <Py_ssize_t>index)).write(out, value)

    cdef int fits(self, object value) except -1:
        return isinstance(value, dict)


cdef class Limited(Node):
    """A value of which its class demands more than its type."""

    cdef Node node
    cdef object limits

    def __init__(self, node, limits):
        self.node = node
        self.limits = limits

    cdef object read(self, Input *given):
        return convert(self.node.read(given), self.limits)

    cdef int write(self, Output *out, object value) except -1:
        return self.node.write(out, value)

    cdef int fits(self, object value) except -1:
        return self.node.fits(value)


SIMPLE = {
    "null": Null, "boolean": Boolean, "int": Int, "long": Long, "date": Date, "float": Float, "double": Double,
    "string": Text, "bytes": Bytes,
}
COMPOSED = {
    shapes.Fixed: Fixed, shapes.Choice: Choice, shapes.Record: Record, shapes.Items: Items, shapes.Pairs: Pairs,
    shapes.Union: Union,
}


cdef Node node_of(shape):
    """The node of a shape, with all that are below it."""
    node = SIMPLE[shape.kind]() if type(shape) is shapes.Simple else COMPOSED[type(shape)](shape)
    limits = getattr(shape, "limits", None)
    return node if limits is None else Limited(node, limits)


cdef class Reader:
    """Reads records one after the other, as `straight.reading` does; `plain` is the function that it makes."""

    def __init__(self, shapes, plain):
        self.nodes = tuple([None if shape is None else node_of(shape) for shape in shapes])
        self.plain = plain

    cpdef object read(self, object frame, Py_ssize_t place):
        """Each record and the place behind it."""
        cdef Input given
        cdef Py_ssize_t count = PyTuple_GET_SIZE(self.nodes), number
        cdef const unsigned char *begin
        cdef tuple found
        cdef object value, after  # objects, since a tuple takes over a reference to each
        if not PyBytes_CheckExact(frame) or not 0 <= place <= PyBytes_GET_SIZE(frame):
            return self.plain(frame, place)
        given, begin = input_from(frame, place), <const unsigned char *>PyBytes_AS_STRING(frame)
        try:
            found = PyTuple_New(2 * count)
            for number in range(count):
                node = <object>PyTuple_GET_ITEM(self.nodes, number)
                value = None if node is None else (<Node>node).read(&given)
                Py_INCREF(value)
                PyTuple_SET_ITEM(found, 2 * number, value)
                after = given.at - begin
                Py_INCREF(after)
                PyTuple_SET_ITEM(found, 2 * number + 1, after)
        except Exception:
            return self.plain(frame, place)
        return found

    cpdef object last_of(self, bytes frame, Py_ssize_t place, Py_ssize_t longest):
        """The last of several records, the first of which is over by `longest`; raises what is left to Python."""
        cdef const unsigned char *begin = <const unsigned char *>PyBytes_AS_STRING(frame)
        cdef Py_ssize_t last = PyTuple_GET_SIZE(self.nodes) - 1, number
        cdef Input given = input_from(frame, place)
        for number in range(last):
            (<Node?>PyTuple_GET_ITEM(self.nodes, number)).skip(&given)
            if number == 0 and given.at - begin > longest:
                raise Unusual
        return self.one_of(last, frame, given.at - begin)

    cpdef tuple first_of(self, bytes frame, Py_ssize_t place):
        """The first of several records and the place behind it, if the others follow and end the frame; likewise."""
        cdef const unsigned char *begin = <const unsigned char *>PyBytes_AS_STRING(frame)
        cdef Input given = input_from(frame, place)
        cdef Py_ssize_t number, after
        first = (<Node?>PyTuple_GET_ITEM(self.nodes, 0)).read(&given)
        after = given.at - begin
        for number in range(1, PyTuple_GET_SIZE(self.nodes)):
            (<Node?>PyTuple_GET_ITEM(self.nodes, number)).skip(&given)
        if given.at != given.end:
            raise Unusual
        return first, after

    cdef object one_of(self, Py_ssize_t number, bytes frame, Py_ssize_t place):
        """The record of that number, which lies at that place and ends the frame; likewise."""
        cdef Input given = input_from(frame, place)
        found = (<Node?>PyTuple_GET_ITEM(self.nodes, number)).read(&given)
        if given.at != given.end:
            raise Unusual
        return found


cdef class Writer:
    """Writes a frame, as `straight.writing` does; `plain` is the function that it makes.

    `steps` says what follows the prefix: which argument, and its node, or None for bytes that are ready.
    """

    def __init__(self, parts, bytes prefix, ready, plain):
        steps = []
        count = 0
        self.ready = 0
        for name, shape in parts:
            if shape is None:
                count += not ready
            elif name == ready:
                called = [each for each, _ in shape.call]
                steps += [(count + called.index(member.attribute), None) for member in shape.members]
                count += len(called)
                self.ready = count
            else:
                steps.append((count, node_of(shape)))
                count += 1
        self.prefix, self.plain, self.count = prefix, plain, count
        self.arguments = Places([argument for argument, _ in steps])
        self.nodes = tuple([node for _, node in steps])

    def write(self, *given):
        """The frame of the parts of a record."""
        cdef unsigned char room[ROOM]
        cdef Output out
        cdef Py_ssize_t number
        cdef PyObject *value
        cdef PyObject *node
        if PyTuple_GET_SIZE(given) != self.count:
            return self.plain(*given)
        begin(&out, room)
        try:
            write_bytes(&out, self.prefix)
            for number in range(PyTuple_GET_SIZE(self.nodes)):
                value = PyTuple_GET_ITEM(given, self.arguments.at[number])
                node = PyTuple_GET_ITEM(self.nodes, number)
                if <object>node is None:
                    write_bytes(&out, <object>value)
                else:
                    (<Node>node).write(&out, <object>value)
        except Exception:
            end(&out)
            return self.plain(*given)
        return end(&out)

    cdef bytes write_spans(self, const Span *spans, object body, object state):
        """The same where the bytes that are ready lie at these places; raises what is left to the plain function."""
        cdef unsigned char room[ROOM]
        cdef Output out
        cdef Py_ssize_t number, argument
        begin(&out, room)
        try:
            write_bytes(&out, self.prefix)
            for number in range(PyTuple_GET_SIZE(self.nodes)):
                argument = self.arguments.at[number]
                node = <object>PyTuple_GET_ITEM(self.nodes, number)
                if node is None:
                    write_span(&out, spans[argument].begin, spans[argument].size)
                else:
                    (<Node>node).write(&out, body if argument == self.ready else state)
        except Exception:
            end(&out)
            raise
        return end(&out)


def long(value):
    """As `to_bytes.long` does it."""
    cdef unsigned char room[ROOM]
    cdef Output out
    try:
        number = long_of(value)
    except Exception:
        return to_bytes.long(value)
    begin(&out, room)
    write_long(&out, number)
    return end(&out)


def text(value):
    """As `to_bytes.text` does it."""
    cdef unsigned char room[ROOM]
    cdef Output out
    if not PyUnicode_CheckExact(value) or not PyUnicode_IS_COMPACT_ASCII(value):
        return to_bytes.text(value)
    begin(&out, room)
    write_text(&out, value)
    return end(&out)


def text_or_null(value):
    """As `to_bytes.text_or_null` does it."""
    cdef unsigned char room[ROOM]
    cdef Output out
    if value is None:
        return b"\0"
    if not PyUnicode_CheckExact(value) or not PyUnicode_IS_COMPACT_ASCII(value):
        return to_bytes.text_or_null(value)
    begin(&out, room)
    write_long(&out, 1)
    write_text(&out, value)
    return end(&out)
