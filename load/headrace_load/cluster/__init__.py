"""The overlay `dev` on a real Kubernetes, with Kafka and Postgres as local servers: `make deploy-test`.

Reading order: `kubectl` (what is asked of the cluster), `image` (how the cluster gets it), `stage` (servers and
overlay), `scenes` (what is done under load), `run` (one after the other, each verified), `__main__`.
"""
