"""Everything that is checked of an overlay, without a cluster."""

from headrace.kernel.app import App
from headrace_load.manifests.documents import Document
from headrace_load.manifests.parts import problems_with_parts
from headrace_load.manifests.pods import problems_with_pods
from headrace_load.manifests.programs import problems_with_programs
from headrace_load.manifests.schemas import problems_with_schemas


def problems_of(documents: list[Document], app: App, *, known: bool = False) -> list[str]:
    """What is wrong, a line each; the rest is looked at only once all fields are known, or said to be."""
    unknown = [] if known else problems_with_schemas(documents)
    return unknown or [
        *problems_with_programs(documents, app),
        *problems_with_pods(documents),
        *problems_with_parts(documents, app),
    ]
