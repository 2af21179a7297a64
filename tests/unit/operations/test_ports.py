"""Doctor tells which port is taken and by whom; the sockets are real."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.compose_model import ComposeModel, PublishedPort, Service
from operations.containers import Container
from operations.doctor.findings import Level
from operations.doctor.listeners import Listener, is_taken, listeners
from operations.doctor.ports import Ports, gather, judge, variables_of_ports
from tests.unit.operations.cases import make_project


@pytest.fixture(params=[("127.0.0.1", socket.AF_INET), ("::", socket.AF_INET6)])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port that this process listens on."""
    address, family = request.param
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()
        yield server.getsockname()[1]


def mlflow(port: int, address: str = "127.0.0.1") -> PublishedPort:
    return PublishedPort("mlflow", address, port)


def case(*published: PublishedPort, containers: tuple[Container, ...] = ()) -> Ports:
    return Ports(
        platform="ours",
        published=published,
        containers=containers,
        listeners=listeners(one.port for one in published),
        taken=frozenset(one for one in published if is_taken(one.address, one.port)),
        variables={published[0].port: "MLFLOW_PORT"},
    )


def container(port: int, project: str) -> Container:
    published = (("127.0.0.1", port),)
    return Container("x-mlflow-1", "i", project, "mlflow", "running", "", 0, 0, published)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_a_free_port_is_well() -> None:
    (one,) = judge(case(mlflow(free_port())))
    assert one.level is Level.OK


def test_the_process_that_has_a_port_is_named(taken: int) -> None:
    (one,) = judge(case(mlflow(taken)))
    assert one.level is Level.PROBLEM
    assert f"port {taken} (mlflow) is taken by " in one.text
    assert f"(pid {os.getpid()})" in one.text
    assert one.mend == f"stop it, or in .env: MLFLOW_PORT={taken + 1}"


def test_a_listener_at_another_address_is_in_nobodys_way() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.2", 0))
        server.listen()
        (one,) = judge(case(mlflow(server.getsockname()[1])))
    assert one.level is Level.OK


@pytest.mark.parametrize(
    ("address", "family"),
    [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("", socket.AF_INET)],
)
def test_a_port_is_tried_at_its_own_address(address: str, family: socket.AddressFamily) -> None:
    with socket.socket(family) as server:
        server.bind((address, 0))
        port = server.getsockname()[1]
        server.listen()
        assert is_taken(address, port)
    assert not is_taken(address, port)


def test_for_a_service_that_is_not_to_run_yet_it_is_a_warning(tmp_path: Path, taken: int) -> None:
    now, later = (
        ComposeModel(
            "ours", (Service(name, "i", False, True, ports, (), 1),), volumes={}, networks={}
        )
        for name, ports in (
            ("webserver", ()),
            ("grafana", (PublishedPort("grafana", "127.0.0.1", taken),)),
        )
    )
    project = make_project(tmp_path)
    (one,) = judge(gather(project, now, (), later=later))
    assert (one.level, one.text[: one.text.index(")")]) == (
        Level.WARNING,
        f"port {taken} (grafana",
    )
    (one,) = judge(gather(project, later, (), later=later))
    assert one.level is Level.PROBLEM


def test_where_processes_cant_be_seen_lsof_is_named(taken: int) -> None:
    seen = case(mlflow(taken))
    unseen = Ports(seen.platform, seen.published, (), None, seen.taken, seen.variables)
    (one,) = judge(unseen)
    assert f"lsof -i :{taken}" in one.text


def test_the_platforms_own_container_is_fine_and_another_one_is_named(taken: int) -> None:
    (ours,) = judge(case(mlflow(taken), containers=(container(taken, "ours"),)))
    (theirs,) = judge(case(mlflow(taken), containers=(container(taken, "theirs"),)))
    assert ours.level is Level.OK
    assert "taken by the container x-mlflow-1" in theirs.text
    assert theirs.mend.startswith("docker stop x-mlflow-1, or ")


def test_a_port_that_two_services_have_is_a_problem() -> None:
    port = free_port()
    (one,) = judge(case(mlflow(port), PublishedPort("nginx", "", port)))
    assert one.text == f"port {port} is given to mlflow and to nginx"


@pytest.mark.parametrize("address", ["::", "", "192.168.1.5"])
def test_what_asks_for_no_password_is_told_if_the_network_reaches_it(address: str) -> None:
    (one,) = judge(case(mlflow(free_port(), address)))
    assert (one.level, one.mend) == (Level.WARNING, "in .env: BIND_ADDRESS=127.0.0.1")
    (nginx,) = judge(case(PublishedPort("nginx", address, free_port())))
    assert nginx.level is Level.OK


def test_the_port_that_is_suggested_is_no_other_services_nor_one_of_the_systems() -> None:
    published = (PublishedPort("nginx", "127.0.0.1", 80), PublishedPort("nginx", "127.0.0.1", 8080))
    held = Listener("127.0.0.1", 80, "root", "")
    seen = Ports("ours", published, (), [held], frozenset(), {80: "MLFLOW_UI_PORT"})
    (one,) = judge(seen)
    assert one.mend == "stop it, or in .env: MLFLOW_UI_PORT=8081"


def test_the_variable_of_a_port_is_read_from_the_compose_files(tmp_path: Path) -> None:
    assert variables_of_ports(make_project(tmp_path)) == {5000: "MLFLOW_PORT"}
    assert variables_of_ports(make_project(tmp_path, "MLFLOW_PORT=7\n")) == {7: "MLFLOW_PORT"}
