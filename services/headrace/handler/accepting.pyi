from collections.abc import Callable, Mapping
from typing import Any

from headrace.avro.codec import Decoded
from headrace.avro.compiled import Reader, Writer
from headrace.handler.admission import Admission
from headrace.handler.replies import Answer, Replies, Versioned
from headrace.kernel.aggregate import Aggregate

class Accepting:
    def __init__(
        self,
        aggregate: Aggregate[Any, Any, Any],
        kinds: Mapping[bytes, tuple[Reader, Any, bytes, tuple[str, str, str]]],
        writers: Mapping[type, tuple[str, Writer]],
        write_outcome: Writer,
        admission: Admission,
        find: Callable[[str], bytes | None],
        decode: Callable[[bytes], Decoded],
        replies: Replies,
        memory: tuple[dict[str, Versioned | bytes], dict[str, Versioned], dict[str, bytes]],
    ) -> None: ...
    def answer(self, key: bytes | None, value: bytes | None, offset: int, at: int) -> Answer | None: ...
