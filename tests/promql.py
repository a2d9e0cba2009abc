"""What a PromQL expression asks for."""

import re


def metrics_in(expression: str) -> set[str]:
    """The names of metrics and recorded series, a histogram's without its suffix."""
    without_strings = re.sub(r'"[^"]*"', "", expression)
    named = re.findall(r"\b(?:group:)?(?:headrace|node|kubelet|process)_[\w:]+|\bup\b", without_strings)
    return {name if ":" in name else re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
