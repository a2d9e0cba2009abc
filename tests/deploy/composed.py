"""deploy/compose.yaml as Compose would see it, and what is wrong with it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import yaml
from pydantic import ValidationError

from headrace.app import app
from headrace.kernel.app import BUILT_IN
from headrace.local.registry import API
from headrace.settings import Settings
from headrace_load.manifests.programs import UsageError, known_variables, parsed

FILE: Final = Path(__file__).parents[2] / "deploy" / "compose.yaml"
PROBES: Final = ("/healthz", "/readyz", "/startupz")
# What other people's images read and listen on, as their documentation says.
POSTGRES: Final = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
APICURIO: Final = {
    "APICURIO_STORAGE_KIND",
    "APICURIO_STORAGE_SQL_KIND",
    "APICURIO_DATASOURCE_URL",
    "APICURIO_DATASOURCE_USERNAME",
    "APICURIO_DATASOURCE_PASSWORD",
}
KAFBAT: Final = {
    f"KAFKA_CLUSTERS_0_{name}"
    for name in ("NAME", "BOOTSTRAPSERVERS", "SCHEMAREGISTRY", "DEFAULTKEYSERDE", "DEFAULTVALUESERDE", "READONLY")
}
GRAFANA: Final = {
    "GF_SECURITY_ADMIN_PASSWORD",
    "GF_AUTH_ANONYMOUS_ENABLED",
    "GF_ANALYTICS_REPORTING_ENABLED",
    "GF_ANALYTICS_CHECK_FOR_UPDATES",
}
READ: Final = {"postgres": POSTGRES, "registry": APICURIO, "kafka-ui": KAFBAT, "grafana": GRAFANA}
LISTENED: Final = {
    "postgres": {5432},
    "registry": {8080},
    "kafka-ui": {8080},
    "prometheus": {9090},
    "node-exporter": {9100},
    "grafana": {3000},
}

Services: TypeAlias = dict[str, Any]


def read() -> dict[str, Any]:
    """The file with its defaults put in and its anchors followed."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text())
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def ours(services: Services) -> Services:
    """The services that run the image of Headrace's services."""
    return {name: service for name, service in services.items() if service["image"] == "headrace:dev"}


def problems_of(document: dict[str, Any]) -> list[str]:
    """What is wrong, a line each."""
    services = document["services"]
    checks = (
        _programs,
        _parts,
        _confinement,
        _images,
        _addresses,
        _ports,
        _probes,
        _order,
        _credentials,
        _variables,
        _scraped,
        _shown,
    )
    return [*(line for check in checks for line in check(services)), *_volumes(document)]


def verb(service: Any) -> tuple[str, ...]:
    """What a service does: the command's words before its options."""
    words = service["command"]
    return tuple(words[: next((at for at, word in enumerate(words) if word.startswith("-")), len(words))])


def _programs(services: Services) -> Iterator[str]:
    for name, service in services.items():
        if "command" not in service or "headrace" not in service["image"]:
            continue
        if "entrypoint" in service:
            yield f"{name}: its entry point is the image's"
        try:
            parsed(service["command"])
        except UsageError as error:
            yield f"{name}: headrace {' '.join(service['command'])}: {error}"


def _parts(services: Services) -> Iterator[str]:
    """Every part of the application is run once, under its own name."""
    wanted = {("init",), ("watch",)}
    wanted |= {("handle", one.name) for one in app.aggregates} | {("react", one.name) for one in app.reactors}
    wanted |= {("project", name) for name in (*(view.name for view in app.views), *BUILT_IN)}
    run = {name: verb(service) for name, service in ours(services).items()}
    yield from (f"nobody does `headrace {' '.join(words)}`" for words in sorted(wanted - set(run.values())))
    for name, words in run.items():
        if words not in wanted:
            yield f"{name}: `headrace {' '.join(words)}` is no part of the application"
        if name != "-".join(words).replace("_", "-"):
            yield f"{name} does `headrace {' '.join(words)}`"


def _confinement(services: Services) -> Iterator[str]:
    for name, service in services.items():
        if "headrace" not in service["image"]:
            continue
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            yield f"{name}: it may write to its root, or has capabilities"
        if service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{name}: it may gain privileges"


def _images(services: Services) -> Iterator[str]:
    for name, service in services.items():
        _, _, tag = service["image"].rpartition(":")
        if "/" in tag or tag in (service["image"], "latest", "main"):
            yield f"{name}: {service['image']} has no tag that stays"


def listened(services: Services, name: str) -> set[int]:
    """The ports that a service listens on."""
    environment = services[name].get("environment", {})
    if name == "kafka":
        return {int(port) for port in re.findall(r":(\d+)", environment["KAFKA_LISTENERS"])}
    if "METRICS_PORT" in environment:
        return {int(environment["METRICS_PORT"])}
    return LISTENED.get(name, set())


def _addresses(services: Services) -> Iterator[str]:
    """Where a variable names another service, that one listens there."""
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            for host, port in re.findall(r"(?:^|@|//|,)([a-z][a-z0-9-]*):(\d+)", str(value)):
                at = name if host == "localhost" else host
                if at not in services:
                    yield f"{name}: {variable} names {host}, which is no service"
                elif int(port) not in listened(services, at):
                    yield f"{name}: {variable} names {host}:{port}, where nobody listens"
            if urlsplit(str(value)).hostname == "registry" and urlsplit(str(value)).path != API:
                yield f"{name}: {variable}={value}: Confluent's API is {API}"


def _ports(services: Services) -> Iterator[str]:
    published = [(name, *entry.split(":")) for name, service in services.items() for entry in service.get("ports", [])]
    for name, address, outside, inside in published:
        if int(inside) not in listened(services, name):
            yield f"{name}: port {inside} is published, where nobody listens"
        if address != "127.0.0.1":
            yield f"{name}: port {outside} can be reached from other machines"
        others = [other for other, _, port, _ in published if port == outside and other != name]
        yield from (f"{name}: port {outside} is published by {other}, too" for other in others)


def _probes(services: Services) -> Iterator[str]:
    for name, service in services.items():
        check = service.get("healthcheck", {})
        said = " ".join(map(str, check.get("test", [])))
        ports = {int(port) for port in re.findall(r"(?:localhost|127\.0\.0\.1)[:/](\d+)", said)}
        if not ports <= listened(services, name):
            yield f"{name}: its health is asked for on {ports}, where nobody listens"
        if name in ours(services) and not check.get("disable"):
            paths = [urlsplit(url).path for url in re.findall(r"http://[\w.:/]+", said)]
            if len(paths) != 1 or paths[0] not in PROBES:
                yield f"{name}: its health is asked for at {paths}, one of {', '.join(PROBES)} answers"


def _order(services: Services) -> Iterator[str]:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                yield f"{name} waits for {other}, which is no service"
            elif how["condition"] == "service_healthy" and not services[other].get("healthcheck", {}).get("test"):
                yield f"{name} waits for {other}, whose health nobody asks for"
            elif how["condition"] == "service_completed_successfully" and verb(services[other]) != ("init",):
                yield f"{name} waits for the end of {other}, which has none"
        if name in ours(services) and verb(service) != ("init",) and set(service["depends_on"]) != {"init"}:
            yield f"{name} does not wait for init"


def _credentials(services: Services) -> Iterator[str]:
    """Who asks the database is let in, to a database that is made."""
    made = services["postgres"]["environment"]
    user, password = made["POSTGRES_USER"], made["POSTGRES_PASSWORD"]
    databases = {made["POSTGRES_DB"]}
    databases |= set(re.findall(r"CREATE DATABASE (\w+)", (FILE.parent / "postgres" / "registry.sql").read_text()))
    for name, service in services.items():
        environment = service.get("environment", {})
        url = environment.get("DATABASE_URL") or environment.get("APICURIO_DATASOURCE_URL", "").removeprefix("jdbc:")
        if not url:
            continue
        found = urlsplit(url)
        if (
            found.username or environment.get("APICURIO_DATASOURCE_USERNAME"),
            found.password or environment.get("APICURIO_DATASOURCE_PASSWORD"),
        ) != (user, password):
            yield f"{name}: the database lets others in than those that {url} names"
        if found.path.removeprefix("/") not in databases:
            yield f"{name}: nobody makes the database{found.path.replace('/', ' ')}"


def _variables(services: Services) -> Iterator[str]:
    for name, service in services.items():
        environment = service.get("environment", {})
        if name == "kafka":
            continue  # a real broker is asked: see tests/edges/test_compose.py
        known = known_variables() if "headrace" in service["image"] else READ.get(name, set())
        yield from (f"{name}: nothing reads the variable {one}" for one in sorted(set(environment) - known))
        if "headrace" in service["image"]:
            yield from _values(name, environment)
            asks = verb(service)[0] not in ("handle", "react")
            if ("DATABASE_URL" in environment) != asks:
                yield f"{name}: {'no DATABASE_URL' if asks else 'it asks no database, and is told where one is'}"


def _values(name: str, environment: dict[str, str]) -> Iterator[str]:
    yield from (
        f"{name}: {one} is {value!r}, no text" for one, value in environment.items() if not isinstance(value, str)
    )
    try:
        Settings.model_validate(environment)
    except ValidationError as error:
        yield from (f"{name}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())


def _scraped(services: Services) -> Iterator[str]:
    """Prometheus looks at every service, where it listens."""
    jobs = yaml.safe_load((FILE.parent / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    found = {name: one["port"] for job in jobs for one in job["dns_sd_configs"] for name in one["names"]}
    for name, port in found.items():
        if name not in services or port not in listened(services, name):
            yield f"Prometheus looks at {name}:{port}, where nobody listens"
    for name, service in ours(services).items():
        if name not in found and verb(service) != ("init",):
            yield f"Prometheus does not look at {name}"


def _shown(services: Services) -> Iterator[str]:
    """Grafana finds Prometheus, and the dashboards where its provisioning says."""
    provisioning = FILE.parent / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    address = urlsplit(source["url"])
    if address.hostname not in services or address.port not in listened(services, address.hostname):
        yield f"grafana: {source['url']} is where nobody listens"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "headrace.yaml").read_text())["providers"]
    mounts = {entry.split(":")[1]: entry.split(":")[0] for entry in services["grafana"]["volumes"]}
    if mounts.get(provider["options"]["path"]) != "./grafana/dashboards":
        yield f"grafana: the dashboards are not mounted at {provider['options']['path']}"


def _volumes(document: dict[str, Any]) -> Iterator[str]:
    mounted = set()
    for name, service in document["services"].items():
        for entry in service.get("volumes", []):
            source = entry.split(":")[0]
            if not source.startswith((".", "/")):
                mounted.add(source)
            elif source.startswith(".") and not (FILE.parent / source).exists():
                yield f"{name}: {source} is mounted, and is not there"
    if mounted != set(document["volumes"]):
        yield f"volumes {sorted(document['volumes'])} are declared, {sorted(mounted)} are mounted"
