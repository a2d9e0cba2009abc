"""The Kubernetes manifests in `deploy/kubernetes`: what of them follows from the application, and whether all is right.

Reading order: `generate` (workloads and topics from the application), `documents` (what was built), `schemas` (does
Kubernetes know every field), `programs` (would each container's program take what it is given), `parts` (is everything
there that the application needs), `check` (all of it).
"""
