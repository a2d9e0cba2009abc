"""The repository's own schemas pass everything that `headrace schemas check` asks."""

import json

import avro.schema
import pytest
from fastavro import parse_schema

from headrace.app import app
from headrace.avro.agreement import disagreements
from headrace.avro.contract import Catalogue, Contract
from headrace.avro.lint import incompatibilities, lint
from headrace.avro.lock import lock, problems_with, read_parts
from messages import SCHEMAS, shipped_catalogue


def test_parts_and_lock_file_are_of_one_piece(catalogue: Catalogue) -> None:
    parts = read_parts(SCHEMAS)
    assert problems_with(parts, catalogue) == []
    assert lock(parts, catalogue).contracts == catalogue.contracts


def test_the_lock_file_could_be_made_anew(catalogue: Catalogue) -> None:
    ids = {contract.id for contract in lock(read_parts(SCHEMAS), Catalogue([])).contracts}
    assert ids == {contract.id for contract in catalogue.newest.values()}


@pytest.mark.parametrize("contract", shipped_catalogue().contracts, ids=lambda contract: contract.record)
def test_every_contract_is_sound_to_each_library(contract: Contract) -> None:
    schema = contract.schema
    assert list(lint(contract)) == []
    parse_schema(schema)
    avro.schema.parse(json.dumps(schema))


def test_every_version_reads_every_other(catalogue: Catalogue) -> None:
    assert list(incompatibilities(catalogue)) == []


def test_classes_and_schemas_agree(catalogue: Catalogue) -> None:
    assert list(disagreements(app, catalogue)) == []
