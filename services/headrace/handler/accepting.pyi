from collections.abc import Callable, Mapping
from typing import Any

from headrace.avro.codec import Decoded
from headrace.avro.compiled import Reader, Writer
from headrace.handler.admission import Admission
from headrace.handler.memory import Memory
from headrace.handler.replies import Answer, Replies
from headrace.kernel.aggregate import Aggregate

class Accepting:
    def __init__(
        self,
        aggregate: Aggregate[Any, Any, Any],
        kinds: Mapping[bytes, tuple[Reader, Any, bytes, tuple[str, str, str]]],
        writers: Mapping[type, tuple[str, Writer]],
        readers: Mapping[bytes, Reader],
        write_outcome: Writer,
        admission: Admission,
        decode: Callable[[bytes], Decoded],
        replies: Replies,
        memory: Memory,
    ) -> None: ...
    def answer(self, key: bytes | None, value: bytes | None, offset: int, at: int) -> Answer | None: ...
