"""How the demo's commands get to their topic, and what is none with them."""

from confluent_kafka import Producer

from headrace.app import shop
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.client import CommandClient
from headrace.importing.imported import Asked
from headrace.kafka.clients import producer_config
from headrace.settings import Settings


class Sender:
    """A client of the shop's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = CommandClient(Codec(shop, read_lock(settings.schemas)), settings)

    def send(self, *asked: Asked) -> None:
        """Append commands, and wait until the broker has them."""
        for entry in asked:
            self._client.send(shop.aggregate(entry.aggregate), entry.command, entry.meta)
        self._client.flush()

    def send_garbage(self, topic: str, *values: bytes | None) -> None:
        """Append records that are no commands, as any stranger could."""
        producer = Producer(producer_config(self._settings))
        for value in values:
            producer.produce(topic, value, b"stranger")
        producer.flush(30)
