# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""Outcomes by command id: what a dict does, in three fifths of the memory, and without a pause when it grows.

A handler remembers each command for minutes, and looks for each new one. Ids and outcomes lie one behind the other in
large chunks; where each begins is in one of many small hash tables, of which one at a time grows. That an id is new is
seen in one place in memory. A dict goes to three for it, and stands still for a twentieth of a second at a million ids.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from headrace.avro.compiled cimport long_at, span_of

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030E0000
    #define KEYED_HASH Py_HashBuffer
    #else
    #define KEYED_HASH _Py_HashBytes
    #endif
    """
    # Python's own, with a secret of the process: who chooses ids does not choose where they go.
    Py_hash_t KEYED_HASH(const void *begin, Py_ssize_t size) noexcept

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    TABLES_BITS = 7
    TABLES = 128
    FIRST_SIZE = 16
    WORD = 8
    CHUNK_BITS = 17
    CHUNK_WORDS = 131072  # a megabyte, which is more than an outcome has with its id
    HEAD = 8  # before an entry: twice the size of its id, one more for an id in its outcome, and the outcome's size
    ID_AT = 6  # in most outcomes, behind their schema's id and a length of one byte


cdef uint32_t hash_of(const Span *key) noexcept:
    cdef uint64_t hash = <uint64_t>KEYED_HASH(key.begin, key.size)
    return <uint32_t>(hash ^ (hash >> 32))


cdef inline Span span_of_text(str text) except *:
    cdef Span span
    span.begin = PyUnicode_AsUTF8AndSize(text, &span.size)
    return span


cdef inline uint64_t words_of(uint64_t size) noexcept:
    return (HEAD + size + WORD - 1) // WORD


cdef inline Span id_in(const unsigned char *entry) noexcept:
    cdef uint32_t size = (<const uint32_t *>entry)[0]
    cdef Span span
    span.begin, span.size = entry + HEAD + (ID_AT if size & 1 else 0), size >> 1
    return span


cdef inline Span outcome_in(const unsigned char *entry) noexcept:
    cdef uint32_t size = (<const uint32_t *>entry)[0]
    cdef Span span
    span.begin, span.size = entry + HEAD + (0 if size & 1 else size >> 1), (<const uint32_t *>entry)[1]
    return span


cdef inline bint is_same(const Span *one, const Span *other) noexcept:
    return one.size == other.size and memcmp(one.begin, other.begin, one.size) == 0


cdef inline bytes bytes_of(Span span):
    return PyBytes_FromStringAndSize(<const char *>span.begin, span.size)


cdef inline str text_of(Span span):
    return PyUnicode_DecodeUTF8(<const char *>span.begin, span.size, NULL)


cdef int grow(Table *table) except -1:
    """Twice the room; what is deleted or replaced stays in the chunks until all of them go."""
    cdef uint32_t size = 2 * table.size if table.size else FIRST_SIZE, place, at
    cdef Slot *slots = <Slot *>PyMem_RawCalloc(size, sizeof(Slot))
    if slots == NULL:
        raise MemoryError
    for place in range(table.size):
        if table.slots[place].place:
            at = table.slots[place].hash & (size - 1)
            while slots[at].place:
                at = (at + 1) & (size - 1)
            slots[at] = table.slots[place]
    PyMem_RawFree(table.slots)
    table.slots, table.size = slots, size
    return 0


def recall(bytes frame, list generations, int64_t until):
    """Put an outcome into the first of two generations, if its id is in neither, and its time not after that.

    False, with nothing done, for every other, and for an id that is long or more than ASCII: that may be no outcome.
    """
    cdef Outcomes younger = generations[0], older = generations[1]
    cdef Span whole = span_of(frame), key
    cdef unsigned char twice = (<const unsigned char *>whole.begin)[ID_AT - 1] if whole.size > ID_AT else 1
    cdef uint32_t hash
    cdef Py_ssize_t place
    key.begin, key.size = <const unsigned char *>whole.begin + ID_AT, twice >> 1
    if twice & 0x81 or ID_AT + key.size >= whole.size:
        return False
    for place in range(key.size):
        if (<const unsigned char *>key.begin)[place] >= 0x80:
            return False
    try:
        if long_at(frame, ID_AT + key.size) > until:
            return False
    except Exception:
        return False
    hash = hash_of(&key)
    if younger.knows(&key, hash) or older.knows(&key, hash):
        return False
    younger.put(&key, hash, frame)
    return True


cdef class Outcomes:
    """As a dict from texts to bytes, of which one has no more than a megabyte; iterating is in no order."""

    def __cinit__(self):
        self.tables = <Table *>PyMem_RawCalloc(TABLES, sizeof(Table))
        if self.tables == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef size_t number
        if self.tables != NULL:
            for number in range(TABLES):
                PyMem_RawFree(self.tables[number].slots)
        for number in range(self.room):
            PyMem_RawFree(self.chunks[number])
        PyMem_RawFree(self.chunks)
        PyMem_RawFree(self.tables)

    def __len__(self):
        return self.count

    def __contains__(self, str command_id):
        cdef Span key = span_of_text(command_id)
        return self.knows(&key, hash_of(&key))

    def get(self, str command_id):
        """The outcome of that id; None when there is none."""
        cdef Span key = span_of_text(command_id)
        cdef Slot *slot = self.find(&key, hash_of(&key))
        return None if slot == NULL or not slot.place else bytes_of(outcome_in(self.entry(slot)))

    def __getitem__(self, str command_id):
        found = self.get(command_id)
        if found is None:
            raise KeyError(command_id)
        return found

    def __setitem__(self, str command_id, bytes outcome not None):
        cdef Span key = span_of_text(command_id)
        self.put(&key, hash_of(&key), outcome)

    def __delitem__(self, str command_id):
        cdef Span key = span_of_text(command_id)
        cdef Slot *slot = self.find(&key, hash_of(&key))
        if slot == NULL or not slot.place:
            raise KeyError(command_id)
        self.remove(slot)

    def items(self):
        """Each id with its outcome, made for whoever asks."""
        cdef const unsigned char *entry
        cdef size_t number
        cdef uint32_t place
        cdef list found = []
        for number in range(TABLES):
            for place in range(self.tables[number].size):
                if self.tables[number].slots[place].place:
                    entry = self.entry(&self.tables[number].slots[place])
                    found.append((text_of(id_in(entry)), bytes_of(outcome_in(entry))))
        return found

    def keys(self):
        """The ids."""
        return [command_id for command_id, _ in self.items()]

    def values(self):
        """The outcomes."""
        return [outcome for _, outcome in self.items()]

    def __iter__(self):
        return iter(self.keys())

    def __eq__(self, other):
        return dict(self.items()) == dict(other.items())

    def __repr__(self):
        return f"Outcomes({dict(self.items())!r})"

    cdef bint knows(self, const Span *key, uint32_t hash) noexcept:
        cdef Slot *slot = self.find(key, hash)
        return slot != NULL and slot.place != 0

    cdef int put(self, const Span *key, uint32_t hash, bytes outcome) except -1:
        cdef Table *table = &self.tables[hash >> (32 - TABLES_BITS)]
        cdef uint64_t place = self.append(key, outcome)
        cdef Slot *slot
        if 8 * <uint64_t>table.used >= 5 * <uint64_t>table.size:
            grow(table)
        slot = self.find(key, hash)
        if not slot.place:
            table.used += 1
            self.count += 1
        slot.hash, slot.place = hash, <uint32_t>place
        return 0

    cdef Slot *find(self, const Span *key, uint32_t hash) noexcept:
        """Where that id is, or else a free place for it; NULL when there is no place at all."""
        cdef Table *table = &self.tables[hash >> (32 - TABLES_BITS)]
        cdef uint32_t mask = table.size - 1, at = hash & mask
        cdef Slot *slot
        cdef Span found
        if table.size == 0:
            return NULL
        while True:
            slot = &table.slots[at]
            if not slot.place:
                return slot
            if slot.hash == hash:
                found = id_in(self.entry(slot))
                if is_same(&found, key):
                    return slot
            at = (at + 1) & mask

    cdef unsigned char *entry(self, const Slot *slot) noexcept:
        cdef uint64_t word = slot.place - 1
        return self.chunks[word >> CHUNK_BITS] + (word & (CHUNK_WORDS - 1)) * WORD

    cdef uint64_t append(self, const Span *key, bytes outcome) except 0:
        """Put an entry behind the others, in a chunk as a whole; returns its place."""
        cdef Span whole = span_of(outcome)
        cdef bint is_within = (
            whole.size >= ID_AT + key.size and memcmp(<const char *>whole.begin + ID_AT, key.begin, key.size) == 0
        )
        cdef uint64_t needed = words_of(whole.size + (0 if is_within else key.size)), chunk
        cdef unsigned char *at
        if needed > CHUNK_WORDS:
            raise ValueError("an outcome of more than a megabyte")
        if (self.words & (CHUNK_WORDS - 1)) + needed > CHUNK_WORDS:
            self.words = (self.words // CHUNK_WORDS + 1) * CHUNK_WORDS
        if self.words >= 0xFFFFFFFF:
            raise MemoryError
        chunk = self.words >> CHUNK_BITS
        if chunk >= self.room:
            self.more_chunks()
        if self.chunks[chunk] == NULL:
            self.chunks[chunk] = <unsigned char *>PyMem_RawMalloc(CHUNK_WORDS * WORD)
            if self.chunks[chunk] == NULL:
                raise MemoryError
        at = self.chunks[chunk] + (self.words & (CHUNK_WORDS - 1)) * WORD
        (<uint32_t *>at)[0], (<uint32_t *>at)[1] = <uint32_t>(2 * key.size + is_within), <uint32_t>whole.size
        if not is_within:
            memcpy(at + HEAD, key.begin, key.size)
        memcpy(<void *>outcome_in(at).begin, whole.begin, whole.size)
        self.words += needed
        return self.words - needed + 1

    cdef int more_chunks(self) except -1:
        cdef size_t room = 2 * self.room if self.room else 4, number
        cdef unsigned char **chunks = <unsigned char **>PyMem_RawRealloc(self.chunks, room * sizeof(unsigned char *))
        if chunks == NULL:
            raise MemoryError
        for number in range(self.room, room):
            chunks[number] = NULL
        self.chunks, self.room = chunks, room
        return 0

    cdef int remove(self, Slot *slot) noexcept:
        """Free a place, and close the gap for those that looked for theirs from before it."""
        cdef Table *table = &self.tables[slot.hash >> (32 - TABLES_BITS)]
        cdef uint32_t mask = table.size - 1, free = <uint32_t>(slot - table.slots), at = free, wanted
        cdef const unsigned char *entry = self.entry(slot)
        cdef Span outcome = outcome_in(entry)
        cdef uint64_t behind = slot.place - 1 + words_of(<const unsigned char *>outcome.begin + outcome.size - entry - HEAD)
        if behind == self.words:
            self.words = slot.place - 1  # a batch that is given up takes back its last one first
        table.used -= 1
        self.count -= 1
        while True:
            at = (at + 1) & mask
            if not table.slots[at].place:
                break
            wanted = table.slots[at].hash & mask
            if ((at - wanted) & mask) >= ((at - free) & mask):
                table.slots[free] = table.slots[at]
                free = at
        table.slots[free].place = 0
        return 0
