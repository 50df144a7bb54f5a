"""The files of `deploy/` agree with each other, with the package, and with what the server measures."""

import json
import re
import tomllib
from types import SimpleNamespace
from typing import Any

import yaml

from shown_commands import ROOT
from trifold.cli.skill_text import every_command, shown_arguments
from trifold.serve.http.metrics import Metrics
from trifold.serve.replies import Load
from trifold.version import VERSION

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "trifold.service").read_text(encoding="utf-8")
BOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "trifold.json").read_text(encoding="utf-8"))


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


COMPOSE = documents("compose.yaml")[0]
DEPLOYMENT, SERVICE = documents("kubernetes.yaml")
CONTAINER = DEPLOYMENT["spec"]["template"]["spec"]["containers"][0]


def expressions() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def test_every_yaml_file_can_be_read() -> None:
    files = sorted(path for end in ("yaml", "yml") for path in DEPLOY.rglob(f"*.{end}"))
    assert len(files) == 5
    for path in files:
        assert documents(str(path.relative_to(DEPLOY)))[0]


def test_everything_listens_and_asks_at_the_same_port() -> None:
    assert re.findall(r"EXPOSE (\d+)", DOCKERFILE) == ["8000"]
    assert re.findall(r'"--port", "(\d+)"', DOCKERFILE) == re.findall(r"127\.0\.0\.1:(\d+)/", DOCKERFILE) == ["8000"]
    assert COMPOSE["services"]["server"]["ports"] == ["127.0.0.1:8000:8000"]
    (job,) = documents("prometheus.yml")[0]["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["server:8000"]
    assert re.findall(r"--port (\d+)", UNIT) == ["8000"]
    assert CONTAINER["args"][-2:] == ["--port", "8000"]
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == 8000
    named = [
        SERVICE["spec"]["ports"][0]["targetPort"],
        *(CONTAINER[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "readiness", "liveness")),
    ]
    assert set(named) == {port["name"]}
    assert DEPLOYMENT["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == "8000"


def test_the_image_installs_extras_and_files_that_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for found in re.findall(r"'\.\[([^\]]+)\]'", DOCKERFILE) for name in found.split(",")]
    assert "serve" in extras
    assert set(extras) <= set(project["optional-dependencies"])
    copied = [name for line in re.findall(r"^COPY ([^-].*)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]]
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed
    # What the wheel is built from, by the build's own account.
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    needed = [project["readme"], *project["license-files"], *hatch["build"]["targets"]["wheel"]["force-include"]]
    assert set(needed) <= set(copied)


def test_nobody_runs_as_root_and_everyone_as_the_same_user() -> None:
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    pod = DEPLOYMENT["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert COMPOSE["services"]["server"]["read_only"] is True
    assert "DynamicUser=yes" in UNIT


def test_the_deployment_is_found_by_its_service_and_has_the_packages_version() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert CONTAINER["image"] == f"trifold:{VERSION}"
    mounted = {mount["name"] for mount in CONTAINER["volumeMounts"]}
    assert mounted == {volume["name"] for volume in DEPLOYMENT["spec"]["template"]["spec"]["volumes"]}


def test_the_dashboard_is_found_and_asks_the_source_that_is_there() -> None:
    (source,) = documents("grafana/provisioning/datasources/prometheus.yaml")[0]["datasources"]
    assert {panel["datasource"]["uid"] for panel in BOARD["panels"]} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    (provider,) = documents("grafana/provisioning/dashboards/trifold.yaml")[0]["providers"]
    grafana = COMPOSE["services"]["grafana"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    assert (
        grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        == f"{provider['options']['path']}/trifold.json"
    )
    assert all(panel["targets"] and panel["title"] for panel in BOARD["panels"])
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in BOARD["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in BOARD["panels"])


def test_every_metric_that_the_dashboard_and_the_page_name_is_measured() -> None:
    measured = Metrics()
    measured.watch(SimpleNamespace(load=Load(0, 0, 0, 0.0), runs={}))
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}
    known = {
        family.name + ending for family in measured.registry.collect() for ending in endings.get(family.type, ("",))
    }
    known |= {"process_resident_memory_bytes"}  # of Linux alone
    named = {
        name for expression in expressions() for name in re.findall(r"\b(?:trifold|te|process)_[a-z_]+", expression)
    }
    assert len(named) > 15
    assert named <= known
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    families = {family.name for family in measured.registry.collect()}
    assert set(re.findall(r"`(trifold_[a-z_]+)`", page)) <= known | families


def test_the_commands_that_are_run_are_those_of_the_command_line() -> None:
    flags = {" ".join(words): shown_arguments(part) for words, part in every_command()}["trifold serve"]
    started = [
        *re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE),
        *re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE),
        " ".join(CONTAINER["args"]),
    ]
    assert len(started) == 3
    for line in started:
        assert "serve" in line
        assert set(re.findall(r"--[a-z-]+", line)) == {"--host", "--port"} <= set(flags)


def test_its_readme_is_short_and_names_every_file() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    for path in DEPLOY.iterdir():
        if path.name not in ("README.md", "Dockerfile.dockerignore"):
            assert f"`{path.name}" in text
