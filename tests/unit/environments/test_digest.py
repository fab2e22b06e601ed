"""An environment is known by what is in the files that define it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamias import EnvironmentSetupError
from tamias.environments.digest import content_of, digest, requirements_in


def test_the_same_requirements_under_another_name_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("six==1.16.0  # why\n\n# a remark\n")
    (tmp_path / "b.txt").write_text("six==1.16.0\n")
    said = requirements_in(str(tmp_path / "a.txt"))
    assert said == requirements_in(str(tmp_path / "b.txt")) == requirements_in(("six==1.16.0",))


@pytest.mark.parametrize("line", ["-r more.txt", "-c more.txt", "--requirement=more.txt"])
def test_what_they_refer_to_counts(tmp_path: Path, line: str) -> None:
    file = tmp_path / "all.txt"
    file.write_text(f"{line}\n")
    (tmp_path / "more.txt").write_text("six==1.15.0\n")
    before = digest(requirements_in(str(file)))
    (tmp_path / "more.txt").write_text("six==1.16.0\n")
    assert digest(requirements_in(str(file))) != before


def test_packages_beside_them_count(tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    file.write_text("./mine\n./old.whl\n")
    (tmp_path / "mine").mkdir()
    digests = set()
    for name, text in [("mine/a.py", "1"), ("mine/a.py", "2"), ("old.whl", "3"), ("old.whl", "4")]:
        (tmp_path / name).write_text(text)
        digests.add(digest(requirements_in(str(file))))
    assert len(digests) == 4


def test_an_editable_package_counts_by_its_project_file(tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    file.write_text("-e ./mine\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pyproject.toml").write_text("1")
    before = requirements_in(str(file))
    (tmp_path / "mine" / "code.py").write_text("changes all the time")
    assert requirements_in(str(file)) == before
    (tmp_path / "mine" / "pyproject.toml").write_text("2")
    assert requirements_in(str(file)) != before


def test_files_that_refer_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    assert requirements_in(str(tmp_path / "a.txt")) == ["-r b.txt", ["-r a.txt", []]]


def test_requirements_that_cannot_be_read_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentSetupError, match="cannot be read"):
        requirements_in(str(tmp_path / "missing.txt"))


def test_a_folder_is_known_by_names_contents_and_what_can_be_executed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    digests = [content_of(folder)]
    (folder / "inner" / "a").write_text("1")
    digests.append(content_of(folder))
    (folder / "inner" / "a").write_text("2")
    digests.append(content_of(folder))
    (folder / "inner" / "a").chmod(0o755)
    digests.append(content_of(folder))
    (folder / "inner" / "a").rename(folder / "inner" / "b")
    digests.append(content_of(folder))
    assert len(set(digests)) == 5
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").touch()
    assert content_of(folder) == digests[-1]


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentSetupError, match=r"missing\.zip cannot be read"):
        content_of(tmp_path / "missing.zip")
