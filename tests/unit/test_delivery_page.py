"""The files that docs/delivery.md shows are read by the code that reads such files."""

from pathlib import Path

from serving.release.delivery.customers import read_customers
from serving.release.scan.policy import ScanPolicy, read_policy
from tests.documents import blocks


def test_its_files_are_right(tmp_path: Path) -> None:
    customers, policy = tmp_path / "customers.yaml", tmp_path / "policy.yaml"
    shown = blocks("docs/delivery.md", "yaml")
    for path, content in zip((customers, policy), shown, strict=True):
        path.write_text(content)
    assert [(one.name, one.channel) for one in read_customers(customers)] == [
        ("acme", "stable"),
        ("byte-works", "factory"),
    ]
    found = read_policy(policy)
    assert [one.id for one in found.accepted] == ["CVE-2024-0001"]
    assert found.model_copy(update={"accepted": ()}) == ScanPolicy()
