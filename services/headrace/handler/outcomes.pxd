"""The mapping from command ids to outcomes, as other compiled modules ask it: by where an id lies in a command."""

from libc.stdint cimport uint32_t, uint64_t

from headrace.avro.compiled cimport Span


cdef struct Slot:
    uint32_t hash
    uint32_t place  # of an entry, counted in words from 1 on; 0 where there is none


cdef struct Table:
    Slot *slots
    uint32_t size
    uint32_t used


cdef class Outcomes:
    cdef Table *tables
    cdef unsigned char **chunks
    cdef size_t room  # for so many chunks
    cdef uint64_t words  # where the next entry goes
    cdef Py_ssize_t count

    cdef bint knows(self, const Span *key, uint32_t hash) noexcept
    cdef int put(self, const Span *key, uint32_t hash, bytes outcome) except -1
    cdef Slot *find(self, const Span *key, uint32_t hash) noexcept
    cdef unsigned char *entry(self, const Slot *slot) noexcept
    cdef uint64_t append(self, const Span *key, bytes outcome) except 0
    cdef int more_chunks(self) except -1
    cdef int remove(self, Slot *slot) noexcept


cdef uint32_t hash_of(const Span *key) noexcept
