"""The manifests are what Kubernetes takes, and fit the service that they run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.questions import Answers
from tests.harness.rendering.template import Template

VERSIONS = ("1.31", "1.33", "1.35", "1.37")
"""Of Kubernetes: those that are maintained, and some before."""

OF_THE_CLUSTER = ("Kustomization", "ServiceMonitor")
"""Kinds that Kubernetes itself does not have."""

MAX_CONNECTIONS = 97
"""What PostgreSQL gives to those who are no superuser, by default."""

MAX_CLIENT_CONN = 500
"""Of PgBouncer, as `compose.yaml` has it."""

SLUG = "my-service"

GROUPS: dict[str, Answers] = {
    f"{group}-{auth}": {**answers, "auth": auth, "deploy": "kubernetes"}
    for group, answers in {
        each.group: {"driver": each.driver, "pool": each.pool} for each in combinations() if not each.further
    }.items()
    for auth in ("none", "oidc-and-keys")
}

Manifest = Mapping[str, Any]


@pytest.fixture(params=GROUPS)
def service(request: pytest.FixtureRequest, template: Template) -> Path:
    return template.render(GROUPS[request.param])


def manifests(folder: Path) -> Iterator[tuple[str, Manifest]]:
    for path in sorted(folder.glob("deploy/kubernetes/**/*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path.relative_to(folder).as_posix(), document


def of_kind(folder: Path, kind: str, *, where: str = "base") -> list[Manifest]:
    return [each for path, each in manifests(folder) if each["kind"] == kind and f"/{where}/" in path]


def only(folder: Path, kind: str) -> Manifest:
    (manifest,) = of_kind(folder, kind)
    return manifest


def pods(folder: Path) -> Iterator[Manifest]:
    """The specifications of all pods."""
    for kind in ("Deployment", "Job"):
        yield from (each["spec"]["template"]["spec"] for each in of_kind(folder, kind))


def containers(folder: Path) -> Iterator[Manifest]:
    for pod in pods(folder):
        yield from [*pod.get("initContainers", []), *pod["containers"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_them(service: Path, version: str) -> None:
    kinds = set()
    for path, manifest in manifests(service):
        if manifest["kind"] not in OF_THE_CLUSTER:
            kubernetes_validate.validate(manifest, version, strict=True)
            kinds.add(manifest["kind"])
        assert path.endswith(".yaml")
    assert {"Deployment", "Service", "ConfigMap", "NetworkPolicy", "ServiceAccount"} <= kinds


def test_wrong_manifest_is_not_taken(service: Path) -> None:
    wrong = {**only(service, "Service"), "spec": {"ports": [{"prot": 80}]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_kustomizations_name_each_file(service: Path) -> None:
    for path in service.glob("deploy/kubernetes/*/kustomization.yaml"):
        kustomization = yaml.safe_load(path.read_text(encoding="utf-8"))
        named = {*kustomization["resources"], *(patch["path"] for patch in kustomization.get("patches", []))}
        for name in named:
            assert path.parent.joinpath(name).exists(), f"{path}: {name}"
        others = {other.name for other in path.parent.glob("*.yaml")} - {path.name}
        assert others == {name for name in named if "/" not in name}


def test_settings_are_settings(service: Path) -> None:
    example = service.joinpath(".env.example").read_text(encoding="utf-8")
    known = {*re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE)}
    configured = {
        name
        for each in [*of_kind(service, "ConfigMap"), *of_kind(service, "ConfigMap", where="production")]
        for name in each["data"]
    }
    configured |= {each["name"] for container in containers(service) for each in container.get("env", [])}
    assert "DATABASE_URL" in configured
    assert configured <= known
    needed = {"OIDC_ISSUER", "OIDC_AUDIENCE"} & known
    assert needed <= configured


def test_probes_and_ports_are_those_of_the_service(service: Path) -> None:
    deployment = only(service, "Deployment")["spec"]["template"]["spec"]
    (container,) = deployment["containers"]
    (port,) = container["ports"]
    command = _command(service)
    assert command[command.index("--port") + 1] == str(port["containerPort"])
    routes = service.joinpath("src/app/kit/http/health.py").read_text(encoding="utf-8")
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        path = container[name]["httpGet"]["path"]
        assert container[name]["httpGet"]["port"] == port["name"]
        prefix, _, rest = path.rpartition("/")
        assert f'prefix="{prefix}"' in routes
        assert f'@router.get("/{rest}"' in routes
    assert only(service, "Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    ingress = only(service, "NetworkPolicy")["spec"]["ingress"]
    assert [each["port"] for rule in ingress for each in rule["ports"]] == [port["containerPort"]]
    (monitor,) = of_kind(service, "ServiceMonitor", where="monitoring")
    scraping = service.joinpath("src/app/kit/http/scraping.py").read_text(encoding="utf-8")
    for endpoint in monitor["spec"]["endpoints"]:
        assert f'prefix="{endpoint["path"]}"' in scraping
        assert endpoint["port"] == only(service, "Service")["spec"]["ports"][0]["name"]


def test_pods_end_later_than_their_requests(service: Path) -> None:
    command = _command(service)
    graceful = int(command[command.index("--timeout-graceful-shutdown") + 1])
    drain = float(only(service, "ConfigMap")["data"]["DRAIN_SECONDS"])
    deployment = only(service, "Deployment")["spec"]["template"]["spec"]
    assert drain > deployment["containers"][0]["readinessProbe"]["periodSeconds"] - 1
    assert deployment["terminationGracePeriodSeconds"] > drain + graceful + 2


def test_new_pods_wait_for_as_long_as_the_migration_may_take(service: Path) -> None:
    probe = only(service, "Deployment")["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    assert probe["httpGet"]["path"] == "/health/ready"
    for job in of_kind(service, "Job"):
        assert probe["periodSeconds"] * probe["failureThreshold"] >= job["spec"]["activeDeadlineSeconds"]


def test_containers_may_do_no_more_than_the_image_needs(service: Path) -> None:
    dockerfile = service.joinpath("Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE)
    volumes = re.findall(r'^VOLUME \["(.*)"\]$', dockerfile, re.MULTILINE)
    for pod in pods(service):
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == int(user)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        named = {volume["name"] for volume in pod["volumes"]}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", *volumes}  # noqa: S108
            assert {mount["name"] for mount in container["volumeMounts"]} == named


def test_selectors_find_the_pods_and_no_others(service: Path) -> None:
    labels = only(service, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        only(service, "Deployment")["spec"]["selector"]["matchLabels"],
        only(service, "Service")["spec"]["selector"],
        *(each["spec"]["selector"]["matchLabels"] for each in of_kind(service, "PodDisruptionBudget")),
    ):
        assert selector == labels
    for job in of_kind(service, "Job"):
        of_job = job["spec"]["template"]["metadata"]["labels"]
        assert of_job != labels
        # The network's policy is about both.
        assert only(service, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= of_job.items()
    assert only(service, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_pods_open_no_more_connections_than_there_are(service: Path) -> None:
    answers = yaml.safe_load(service.joinpath(".copier-answers.yml").read_text(encoding="utf-8"))
    if answers["driver"] == "aiosqlite":
        deployment = only(service, "Deployment")["spec"]
        assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
        assert of_kind(service, "HorizontalPodAutoscaler") == []
        return
    data = only(service, "ConfigMap")["data"]
    names = ("DATABASE_POOL_SIZE", "DATABASE_MAX_OVERFLOW", "DATABASE_MAX_CONNECTIONS")
    each = sum(int(data.get(name, 0)) for name in names) + 1
    most = only(service, "HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    allowed = MAX_CLIENT_CONN if answers["pool"] == "pgbouncer" else MAX_CONNECTIONS - 2
    # Pods of two versions, while one takes the place of the other.
    assert 2 * most * each <= allowed
    text = service.joinpath("deploy/kubernetes/base/horizontalpodautoscaler.yaml").read_text(encoding="utf-8")
    assert f"{most} x 2 x {each} = {2 * most * each}" in text
    if answers["pool"] == "pgbouncer":
        compose = yaml.safe_load(service.joinpath("compose.yaml").read_text(encoding="utf-8"))
        assert compose["services"]["pgbouncer"]["environment"]["MAX_CLIENT_CONN"] == str(MAX_CLIENT_CONN)


def test_policy_lets_them_reach_what_they_need(service: Path) -> None:
    answers = yaml.safe_load(service.joinpath(".copier-answers.yml").read_text(encoding="utf-8"))
    egress = only(service, "NetworkPolicy")["spec"]["egress"]
    ports = {each["port"] for rule in egress for each in rule["ports"]}
    expected = {53}
    if answers["driver"] != "aiosqlite":
        expected |= {5432, 6432} if answers["pool"] == "pgbouncer" else {5432}
    if answers["auth"] != "none":
        expected |= {443}
    assert ports == expected


def test_secrets_are_named_and_nowhere_written(service: Path) -> None:
    page = service.joinpath("docs/kubernetes.md").read_text(encoding="utf-8")
    assert of_kind(service, "Secret") == []
    for container in containers(service):
        for each in container.get("env", []):
            reference = each["valueFrom"]["secretKeyRef"]
            assert reference["name"] == SLUG
            assert f"--from-literal={reference['key']}=" in page


def _command(service: Path) -> list[str]:
    text = service.joinpath("Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    command: list[str] = json.loads(re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)[-1])
    return command
