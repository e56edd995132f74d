"""What attackers would try: code in data, paths out of folders, commands in texts."""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perception_nodes.errors import InputError
from perception_nodes.ros import packages
from perception_nodes.ros.interfaces import NODES

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    file
    for folder in ("kernels", "perception_nodes", "perception_simulation", "models", "launch")
    for file in sorted((ROOT / folder).rglob("*.py"))
]
OWN_PROCESS = {"perception_nodes/viewrope/crossing.py"}
"""Where pickles cross between two processes of one program, and come from nowhere else."""

FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"} | {
    "marshal.loads",
    "shelve.open",
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Calls with the name of what is called, such as `yaml.load`."""
    for item in ast.walk(tree):
        if isinstance(item, ast.Call):
            yield ast.unparse(item.func), item


def test_no_code_is_run_that_data_brings() -> None:
    assert len(SOURCES) > 100
    for file in SOURCES:
        name = str(file.relative_to(ROOT))
        for called, call in calls(ast.parse(file.read_text(encoding="utf-8"))):
            keys = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert called not in FORBIDDEN, f"{name}: {called}"
            assert keys.get("shell") != "True", f"{name}: {called} with a shell"
            assert keys.get("allow_pickle") != "True", f"{name}: {called} with pickles"
            if called == "torch.load":
                assert keys.get("weights_only") == "True", name
            if called in {"pickle.load", "pickle.loads", "pickle.Unpickler"}:
                assert name in OWN_PROCESS, f"{name}: {called}"


def test_the_check_for_code_would_find_some() -> None:
    tree = ast.parse("import pickle\npickle.loads(b'')\nyaml.load(text)\nrun(x, shell=True)")
    assert {name for name, _ in calls(tree)} == {"pickle.loads", "yaml.load", "run"}


def test_a_mesh_stays_in_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "arm.stl").write_text("mesh")
    (tmp_path / "secret.stl").write_text("secret")
    module: Any = types.ModuleType("ament_index_python.packages")
    module.get_package_share_directory = lambda name: str(share)
    monkeypatch.setitem(sys.modules, "ament_index_python", types.ModuleType("ament_index_python"))
    monkeypatch.setitem(sys.modules, "ament_index_python.packages", module)
    assert packages.mesh_file("package://robot/arm.stl") == share / "arm.stl"
    assert packages.mesh_file("package://robot/none.stl") is None
    assert packages.mesh_file("https://example.org/arm.stl") is None, "nothing is fetched"
    with pytest.raises(InputError, match="leaves its package"):
        packages.mesh_file("package://robot/../secret.stl")


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_policy_is_that_of_the_table_and_allows_nothing_else() -> None:
    policy = load("policy")
    text = policy.FILE.read_text()
    assert text == policy.policy(), "run scripts/policy.py"
    assert "*" not in text, "no wildcards"
    for spec in NODES:
        assert f'path="/permanence/{spec.name}"' in text
