"""Files around the code: they parse, agree with each other, and give away nothing."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.deploy import arguments
from tests.unit.plain_yaml import NotPlain, read

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = read((ROOT / "docker-compose.yml").read_text())
APE: dict[str, Any] = read((ROOT / "ape-config.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DOCS = sorted(path for path in (ROOT / "docs").rglob("*.md") if not path.name.endswith(".tmp.md"))
INVARIANTS = (ROOT / "docs" / "invariants.md").read_text()
SERVICES = pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"].keys())


# --- the reader itself -------------------------------------------------------------------------


def test_plain_yaml_is_read() -> None:
    text = 'a:\n  - "x: 1"\n  - b: 2\n    c: true\n  - d\ne: {}\n# comment\nf:\n  g: 1.2.3\n'
    assert read(text) == {"a": ["x: 1", {"b": 2, "c": True}, "d"], "e": {}, "f": {"g": "1.2.3"}}


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1",
        "a: *x",
        "a: [1]",
        "a: {b: 1}",
        "a: |\n  x",
        "a: !tag 1",
        "a: 1\na: 2",
        "a:\n\t- b",
        "a: no",
        "a:",
        "a: 'b'",
    ],
)
def test_yaml_that_is_not_plain_is_refused(text: str) -> None:
    with pytest.raises(NotPlain):
        read(text)


# --- docker-compose.yml and Dockerfile ---------------------------------------------------------


def test_chain_backend_and_oracle_are_services() -> None:
    assert {"chain", "backend", "oracle"} <= COMPOSE["services"].keys()


@SERVICES
def test_ports_are_bound_to_this_machine_alone(service: dict[str, Any]) -> None:
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", []))


@SERVICES
def test_image_has_a_version(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z-]+:\d+\.\d+\.\d+", service["image"])


def test_base_images_have_a_version() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+", base) for base in bases)
    assert "latest" not in DOCKERFILE


@SERVICES
def test_service_that_stays_up_has_a_healthcheck(service: dict[str, Any]) -> None:
    assert "healthcheck" in service or service["restart"] == "no"


@SERVICES
def test_service_runs_without_privileges(service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service.get("network_mode") != "host"


def test_images_do_not_run_as_root() -> None:
    stages = re.split(r"^FROM .*$", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert len(stages) == 2
    assert all(re.search(r"^USER (?!root)\w+$", stage, re.MULTILINE) for stage in stages)


@SERVICES
def test_secrets_come_from_files(service: dict[str, Any]) -> None:
    environment = service.get("environment", {})
    sensitive = [name for name in environment if re.search(r"PASS|TOKEN|SECRET|KEY", name)]
    assert all(name.endswith("_FILE") and environment[name].startswith("/run/secrets/") for name in sensitive)
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    used = {word.removeprefix("/run/secrets/") for word in _words(service) if word.startswith("/run/secrets/")}
    assert used == set(service.get("secrets", []))


def test_secret_files_are_not_under_version_control() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    assert "var/" in ignored
    assert all(secret["file"].startswith("./var/") for secret in COMPOSE["secrets"].values())


def test_named_volumes_and_dependencies_exist() -> None:
    for service in COMPOSE["services"].values():
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith((".", "/"))}
        assert named <= COMPOSE["volumes"].keys()
        assert service.get("depends_on", {}).keys() <= COMPOSE["services"].keys()


@pytest.mark.parametrize("target", sorted({s["build"]["target"] for s in COMPOSE["services"].values() if "build" in s}))
def test_build_target_is_a_stage(target: str) -> None:
    assert re.search(rf"^FROM \S+ AS {target}$", DOCKERFILE, re.MULTILINE)


def test_modules_that_services_run_exist() -> None:
    for service in COMPOSE["services"].values():
        command = service["command"]
        if command[:2] == ["python", "-m"]:
            assert (ROOT / command[2].split(".")[0]).is_dir()


def test_deploy_service_hands_over_with_options_that_exist() -> None:
    command = COMPOSE["services"]["deploy"]["command"]
    assert command[:3] == ["python", "-m", "scripts.deploy"]
    addresses = [re.sub(r"^\$\{WATTLEDGER_\w+:\?.*\}$", "0x" + "11" * 20, word) for word in command[3:]]
    given = arguments(None).parse_args(addresses)
    assert given.governor == given.house == "0x" + "11" * 20
    assert given.keystore == Path("/run/secrets/deployer")


def _words(service: dict[str, Any]) -> list[str]:
    return [*service["command"], *service.get("environment", {}).values()]


# --- ape-config.yaml ---------------------------------------------------------------------------


def test_ape_compiles_as_forge_does() -> None:
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    assert APE["solidity"]["evm_version"] == forge["evm_version"] == "paris"
    assert APE["solidity"]["via_ir"] == forge["via_ir"]
    assert APE["contracts_folder"] == forge["src"]


def test_ape_compiles_with_the_compiler_of_package_json() -> None:
    assert f'"solc": "{APE["solidity"]["version"]}"' in (ROOT / "package.json").read_text()


# --- documents ---------------------------------------------------------------------------------


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", INVARIANTS))), ids=str)
def test_test_that_an_invariant_names_exists(place: tuple[str, str]) -> None:
    file, name = place
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`(\w+\.t\.sol)`", INVARIANTS))))
def test_contract_test_that_an_invariant_names_exists(file: str) -> None:
    assert (ROOT / "contracts" / "test" / file).is_file()


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`([\w/.]+\.sol)::(\w+)`", INVARIANTS))), ids=str)
def test_check_that_an_invariant_names_exists(place: tuple[str, str]) -> None:
    file, name = place
    assert re.search(rf"^    function {name}\(", (ROOT / "contracts" / "test" / file).read_text(), re.MULTILINE)


def test_each_invariant_says_must_and_names_a_test() -> None:
    entries = re.split(r"^- ", INVARIANTS, flags=re.MULTILINE)[1:]
    assert [int(n) for n in re.findall(r"\*\*INV-(\d+)\*\*", INVARIANTS)] == list(range(1, len(entries) + 1))
    assert all("MUST" in entry and "::" in entry for entry in entries)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_make_targets_in_documents_exist(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    assert set(commands) <= set(targets)


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda path: path.name)
def test_decision_is_one_page_in_three_parts(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert len(text.split()) <= 450
